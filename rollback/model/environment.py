"""The environment: owner, surfaces, providers, Cosmos, halt authority, evidence, approvers, policy.

Variable names are the runbook's own. A secret is held as a reference and resolved late, by a port;
its value is in no model.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, model_validator

from rollback.model.base import Frozen, Instant, Name, Seconds
from rollback.model.release import Build, Release
from rollback.model.steps import SurfaceName, Way

_REFERENCE = re.compile(r"\$\{([A-Z][A-Z0-9_]{0,99})\}")


_SECRET_NAME = re.compile(
    r"key|secret|token|pass|pwd|conn|cert|sas|sign|credential|private|webhook", re.IGNORECASE
)
"""Settings whose values no connector reads."""


class Secret(Frozen):
    """A reference to a secret, never its value."""

    variable: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,99}$")]


def _reference(value: object) -> object:
    if isinstance(value, str):
        match = _REFERENCE.fullmatch(value)
        if match is None:
            msg = "a secret is written as a reference, ${NAME}, never as a value"
            raise ValueError(msg)
        return Secret(variable=match[1])
    return value


SecretRef = Annotated[
    Secret,
    BeforeValidator(_reference, json_schema_input_type=str),
    PlainSerializer(lambda secret: "${" + secret.variable + "}", return_type=str),
]
"""Written ``${NAME}`` in files and in every output."""

Url = Annotated[str, Field(pattern=r"^https?://[^\s/@?#]+(/[^\s?#]*)?$")]
"""An address without user, query or fragment."""

Host = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d{1,5})?$")]
UrlPath = Annotated[str, Field(pattern=r"^/[^\s#]*$")]


class Kind(StrEnum):
    """What an environment is; production is the strictest."""

    PRODUCTION = "production"
    STAGING = "staging"
    REHEARSAL = "rehearsal"


class CutoverStage(StrEnum):
    """The five stages of the runbook's staged cutover (row C1), in order."""

    BACKEND_VALIDATION = "backend-internal-validation"
    WEB_ADOPTION = "web-internal-adoption"
    MOBILE_BETA = "mobile-internal-beta"
    OPERATORS = "controlled-operator-rollout"
    PRODUCTION = "broader-production-cutover"


class Owner(Frozen):
    """Who owns a rollback here (row G4)."""

    name: Annotated[str, Field(min_length=1)]
    contact: Annotated[str, Field(min_length=1)]


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


class Pipeline(Frozen):
    """A GitHub Actions pipeline that deploys a surface; halted by disabling it."""

    repository: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")]
    file: str
    api_host: Host = "api.github.com"
    token: SecretRef


class TradingLoop(Frozen):
    """What keeps two trading loops from trading at once while a release starts beside another.

    prevented_by: ``leader-lease``, which the releases hold among themselves; or ``sticky-setting``:
    `setting` stays with the stable slot, and its value `off` switches the loop off there.
    """

    prevented_by: Literal["leader-lease", "sticky-setting"]
    setting: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]{1,100}$")] | None = None
    off: str = "off"

    @model_validator(mode="after")
    def _named(self) -> Self:
        if (self.setting is None) == (self.prevented_by == "sticky-setting"):
            msg = "a sticky setting is named by `setting`; a leader lease has none"
            raise ValueError(msg)
        if self.setting is not None and _SECRET_NAME.search(self.setting):
            msg = f"the value of {self.setting} is never read: by its name it may be a secret"
            raise ValueError(msg)
        return self


class Surface(Frozen):
    """Something users reach.

    provider: ``app-service`` is rolled back; ``unsupported`` loads, stands first in every plan as
    not rolled back, and names the human step. releases: the catalogue, oldest first.
    rollback_floor: the oldest build that may be restored (older ones seed or mirror control state
    from legacy storage at start). ways: allowed ways to revert, in order of preference.
    carries_authority: serves the halt authority (the backend). hosts: production host names.
    """

    provider: Literal["app-service", "unsupported"]
    human_step: str = ""
    site: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,60}$")] | None = None
    resource_group: str | None = None
    stable_slot: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,60}$")] = "staging"
    hosts: tuple[Host, ...] = ()
    slot_hosts: tuple[tuple[str, Host], ...] = ()
    release_path: UrlPath = "/api/release"
    page_path: UrlPath | None = None
    socket_path: UrlPath | None = None
    carries_authority: bool = False
    last_stable: Build | None = None
    releases: tuple[Release, ...] = ()
    rollback_floor: Build | None = None
    ways: tuple[Way, ...] = ("image", "swap", "artifact")
    pipeline: Pipeline | None = None
    reads: tuple[UrlPath, ...] = ()
    pinned_users: Annotated[int, Field(ge=0)] | None = None
    trading_loop: TradingLoop | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.provider == "app-service" and (self.site is None or not self.hosts):
            msg = "an app-service surface needs site and hosts"
            raise ValueError(msg)
        if self.provider == "unsupported" and not self.human_step:
            msg = "an unsupported surface needs human_step: what a person does instead"
            raise ValueError(msg)
        return self

    def release(self, build: str) -> Release | None:
        """The catalogue's entry of a build."""
        return next((entry for entry in self.releases if entry.build == build), None)


class HaltAuthority(Frozen):
    """How the authority to halt trading is proved.

    scopes: every scope that must be proved. refused_token: a token that must not be able to halt
    (the negative control). weak_proofs: used, at least two, where there is no authority endpoint.
    age_s_max: a verdict older than this proves nothing. probes_lost: unanswered probes that make it
    lost. attested_by: who may attest a halt outside the platform.
    """

    surface: SurfaceName = "backend"
    path: UrlPath | None = "/api/control/authority"
    control_path: UrlPath = "/api/control/trading"
    flags_path: UrlPath = "/api/feature-flags"
    orders_path: UrlPath | None = "/api/orders/open"
    token: SecretRef
    refused_token: SecretRef
    scopes: Annotated[tuple[str, ...], Field(min_length=1)]
    weak_proofs: tuple[Literal["state-read", "permission-check", "heartbeat-age"], ...] = ()
    age_s_max: Seconds = 30
    watch_interval_s: Seconds = 5
    probes_lost: Annotated[int, Field(ge=1, le=20)] = 3


class FolderStore(Frozen):
    """Evidence in a local folder: the embedded default."""

    kind: Literal["folder"] = "folder"
    path: str


class S3Store(Frozen):
    """Evidence in S3 with Object Lock. Create-only.

    retention_days: how long each piece is kept in COMPLIANCE mode. legal_hold: it is also held
    until somebody lifts that by hand.
    """

    kind: Literal["s3"] = "s3"
    endpoint: Url | None = None
    region: str
    bucket: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
    prefix: str = ""
    access_key_id: SecretRef | None = None
    secret_access_key: SecretRef | None = None
    retention_days: Annotated[int, Field(ge=0)] = 0
    legal_hold: bool = False


class BlobStore(Frozen):
    """Evidence in a container of Azure Blob storage, with an immutability policy. Create-only.

    endpoint: the account's blob address. key: an account key; without one, the credential of
    `azure`. retention_days: how long the service keeps each piece of evidence from change.
    """

    kind: Literal["azure-blob"] = "azure-blob"
    endpoint: Url
    container: Annotated[str, Field(pattern=r"^[a-z0-9](-?[a-z0-9]){2,62}$")]
    prefix: str = ""
    key: SecretRef | None = None
    retention_days: Annotated[int, Field(ge=0)] = 0


SharedStore = S3Store | BlobStore
"""A store that machines share."""


SourceName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
"""How a source that an environment adds is called in a bundle."""


class EvidenceAnswer(Frozen):
    """An address whose answer is kept: a gate's, an alert rule's. Only ever read (GET)."""

    name: SourceName
    url: Url
    token: SecretRef | None = None


class EvidenceFile(Frozen):
    """A file, or every file under a folder, on this machine."""

    name: SourceName
    path: Annotated[str, Field(min_length=1)]


class EvidenceCommand(Frozen):
    """A command whose standard output is kept. Run as it stands, by no shell, without secrets.

    What it does is beyond the guard: name only what reads.
    """

    name: SourceName
    argv: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]


class Evidence(Frozen):
    """Where evidence goes, how much of it, and which key signs what is sealed.

    units_per_s, units_max: the most request units a capture may use of the Cosmos account, so that
    it never starves the live system.
    """

    store: Annotated[FolderStore | S3Store | BlobStore, Field(discriminator="kind")] | None = None
    redact: tuple[str, ...] = ()
    bytes_max: Annotated[int, Field(gt=0)] = 2**30
    chunks_max: Annotated[int, Field(gt=0)] = 20_000
    source_s_max: Seconds = 60
    run_key: str | None = None
    units_per_s: Annotated[int, Field(gt=0)] = 1000
    units_max: Annotated[int, Field(gt=0)] = 1_000_000
    answers: tuple[EvidenceAnswer, ...] = ()
    files: tuple[EvidenceFile, ...] = ()
    commands: tuple[EvidenceCommand, ...] = ()

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        for named in (self.answers, self.files, self.commands):
            names = [one.name for one in named]
            if len(set(names)) != len(names):
                msg = "a source of evidence is named twice"
                raise ValueError(msg)
        return self


class FolderLease(Frozen):
    """A lease in a folder: real for everything that shares the folder, and no further."""

    kind: Literal["folder"] = "folder"
    path: str | None = None


class S3Lease(Frozen):
    """A lease in a bucket, by conditional writes: shared between machines."""

    kind: Literal["s3"] = "s3"
    prefix: str = "leases/"


class BlobLease(Frozen):
    """A lease in a container of Azure Blob storage, by etags: shared between machines."""

    kind: Literal["azure-blob"] = "azure-blob"
    prefix: str = "leases/"


class Lease(Frozen):
    """The exclusive right to change what a plan changes."""

    store: Annotated[FolderLease | S3Lease | BlobLease, Field(discriminator="kind")] = FolderLease()
    ttl_s: Seconds = 60
    renew_s: Seconds = 15


class Approvals(Frozen):
    """Who may approve, by an OpenSSH allowed-signers file, and how many must.

    A relative path is relative to the environment file.
    """

    allowed_signers: str | None = None
    required: Annotated[int, Field(ge=0, le=10)] | None = None
    age_s_max: Seconds = 3600


class Channel(Frozen):
    """Where `notify` posts. kind: what the service there understands.

    address: the whole address of a webhook, a secret (json, slack, teams). host, path: what of it
    may be shown; a path that ends in ``{key}`` leaves the rest to the address. query: names in the
    address's query; their values stay secret. token: for comments (github, jira), whose path may
    hold ``{incident}``. user: with it Jira takes user and token, without it a token alone.
    """

    name: Name
    kind: Literal["json", "slack", "teams", "github", "jira"] = "json"
    address: SecretRef | None = None
    host: Host
    path: UrlPath
    query: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,60}$")], ...] = ()
    token: SecretRef | None = None
    user: SecretRef | None = None

    @property
    def searchable(self) -> bool:
        """Whether what was posted can be listed, so that a message is looked for first."""
        return self.kind in ("github", "jira")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.searchable and (self.token is None or self.address is not None):
            msg = f"a {self.kind} channel needs a token, and has no address"
            raise ValueError(msg)
        if not self.searchable and (self.address is None or self.token or self.user):
            msg = f"a {self.kind} channel needs its address, and has no token or user"
            raise ValueError(msg)
        if self.searchable and not _COMMENTS[self.kind].fullmatch(self.path):
            msg = {
                "github": "a github path is /repos/OWNER/REPOSITORY/issues/NUMBER/comments",
                "jira": "a jira path ends in /rest/api/2/issue/KEY/comment",
            }[self.kind]
            raise ValueError(f"{msg}; NUMBER or KEY may be {{incident}}")
        if self.searchable and self.query:
            msg = f"a {self.kind} channel has no query"
            raise ValueError(msg)
        return self


_COMMENTS = {
    "github": re.compile(
        r"(/api/v3)?/repos/[\w.-]+/[\w.-]+/issues/(\d{1,10}|\{incident\})/comments"
    ),
    "jira": re.compile(
        r"(/[\w.-]+)*/rest/api/2/issue/([A-Z][A-Z0-9_]{1,20}-\d{1,10}|\{incident\})/comment"
    ),
}


class Policy(Frozen):
    """Limits, each with its unit in its name. Rehearsals shorten them; the meaning stays."""

    plan_age_s_max: Seconds = 3600
    swap_s_max: Seconds = 900
    busy_s_max: Seconds = 900
    poll_s: Seconds = 5
    quiet_s: Seconds = 30
    settle_s: Seconds = 30
    bake_s: Seconds = 300
    probe_timeout_s: Seconds = 10
    volatile_s_max: Seconds = 60
    steps_at_once_max: Annotated[int, Field(ge=1, le=64)] = 4
    confirm_s_max: Seconds = 1800


class Pair(Frozen):
    """A pair of versions that must not be live together (compatibility table)."""

    surface: SurfaceName
    build: Build
    other_surface: SurfaceName
    other_build: Build
    because: str = ""


class Network(Frozen):
    """How hosts are reached. resolve: host to ``address:port``, for rehearsals.

    proxy: used only when named here; proxy variables of the process are ignored.
    """

    resolve: tuple[tuple[str, str], ...] = ()
    ca_file: str | None = None
    proxy: Url | None = None


class Environment(Frozen):
    """One typed file. `base` is the folder of the file: relative paths start there."""

    environment: Name
    kind: Kind = Kind.PRODUCTION
    compatibility: Literal["none", "hs256"] = "none"
    owner: Owner
    cutover_stage: CutoverStage = CutoverStage.PRODUCTION
    platform: Platform
    cosmos: Cosmos
    azure: Azure
    surfaces: Annotated[tuple[tuple[SurfaceName, Surface], ...], Field(min_length=1)]
    halt_authority: HaltAuthority
    evidence: Evidence = Evidence()
    lease: Lease = Lease()
    approvals: Approvals = Approvals()
    channels: tuple[Channel, ...] = ()
    policy: Policy = Policy()
    forbidden_pairs: tuple[Pair, ...] = ()
    legacy_dependencies: tuple[str, ...] = ()
    network: Network = Network()
    journal_mirror: bool = False
    measured_at: Instant | None = None
    base: str = Field(default=".", exclude=True)
    source: str | None = Field(default=None, exclude=True)

    @model_validator(mode="after")
    def _rules(self) -> Self:
        if self.legacy_dependencies:
            msg = (
                "platform-service and Cosmos are the only supported production systems; "
                "remove the legacy stores from legacy_dependencies"
            )
            raise ValueError(msg)
        if self.platform.jwt.secret is not None and self.compatibility != "hs256":
            msg = "HS256 (platform.jwt.secret) needs compatibility: hs256"
            raise ValueError(msg)
        names = [name for name, _ in self.surfaces]
        if len(set(names)) != len(names):
            msg = "a surface is named twice"
            raise ValueError(msg)
        if self.halt_authority.surface not in names:
            msg = f"halt_authority.surface names no surface: {self.halt_authority.surface}"
            raise ValueError(msg)
        return self

    def surface(self, name: str) -> Surface:
        """The named surface. Raises KeyError where there is none (the loader has checked)."""
        for known, surface in self.surfaces:
            if known == name:
                return surface
        raise KeyError(name)

    @property
    def surface_names(self) -> tuple[str, ...]:
        """Surfaces in cutover order, as the file lists them."""
        return tuple(name for name, _ in self.surfaces)


def secrets_of(value: object) -> tuple[Secret, ...]:
    """Every reference to a secret in an environment, each once, in the order of its fields."""
    if isinstance(value, Secret):
        return (value,)
    inner: tuple[object, ...] = ()
    if isinstance(value, Frozen):
        inner = tuple(getattr(value, name) for name in type(value).model_fields)
    elif isinstance(value, tuple):
        inner = value
    return tuple(dict.fromkeys(found for each in inner for found in secrets_of(each)))
