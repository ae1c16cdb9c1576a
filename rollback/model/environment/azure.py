"""Where things run: platform-service, Cosmos, Azure."""

from typing import Self

from pydantic import model_validator

from rollback.model.base import Frozen
from rollback.model.environment.texts import Host, SecretRef, Url, UrlPath


class Jwt(Frozen):
    """How platform tokens are checked. Exactly one of jwks_url, public_key, secret.

    secret (HS256) is refused unless the environment marks itself ``compatibility: hs256``.
    """

    issuer: str
    audience: str | None = None
    jwks_url: Url | None = None
    public_key: SecretRef | None = None
    secret: SecretRef | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if sum(source is not None for source in (self.jwks_url, self.public_key, self.secret)) != 1:
            msg = "exactly one of jwks_url, public_key, secret"
            raise ValueError(msg)
        return self


class SyntheticUser(Frozen):
    """The account used for synthetic sign-in; belongs to its own tenant."""

    username: SecretRef
    password: SecretRef
    tenant: str
    other_tenant: str


class Platform(Frozen):
    """platform-service: signs people in."""

    api_url: Url
    auth_enabled: bool = True
    jwt: Jwt
    token_path: UrlPath = "/auth/token"  # noqa: S105 - a path, not a secret
    health_path: UrlPath = "/healthz"
    synthetic_user: SyntheticUser | None = None


class AuditNames(Frozen):
    """How an audit event names who changed which control document: its own names of fields."""

    actor: str = "actor"
    container: str = "container"
    document: str = "documentId"
    etag: str = "etag"
    request: str = "requestId"


class Cosmos(Frozen):
    """The Cosmos account that holds the control plane. Read only, whatever the credential.

    operators: patterns of the actors in audit events who are people. repairs: container, and
    through which API a person repairs it, in the order of repair; for people, never followed here.
    regions: addresses of the account's other regions, read from in this order where `endpoint`
    fails. No other host of the account is ever asked.
    """

    endpoint: Url
    regions: tuple[Url, ...] = ()
    database: str
    key: SecretRef | None = None
    entra: bool = False
    account: str | None = None
    resource_group: str | None = None
    control_containers: tuple[str, ...]
    audit_containers: tuple[str, ...]
    audit_names: AuditNames = AuditNames()
    operators: tuple[str, ...] = ("*@*",)
    repairs: tuple[tuple[str, str], ...] = ()

    @model_validator(mode="after")
    def _one_credential(self) -> Self:
        if (self.key is not None) == self.entra:
            msg = "exactly one of key or entra: true"
            raise ValueError(msg)
        return self


class EntraApp(Frozen):
    """A service principal. Without one, the machine's default credential is used."""

    tenant: str
    client_id: str
    client_secret: SecretRef
    authority: Host = "login.microsoftonline.com"


class Azure(Frozen):
    """Resource Manager: where the surfaces live."""

    subscription: str
    resource_group: str
    host: Host = "management.azure.com"
    identity: EntraApp | None = None
