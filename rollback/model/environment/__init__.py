"""The environment: owner, surfaces, providers, Cosmos, halt authority, evidence, approvers, policy.

Variable names are the runbook's own. A secret is held as a reference and resolved late, by a port;
its value is in no model.
"""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from rollback.model.base import Frozen, Instant, Name
from rollback.model.environment.azure import (
    AuditNames,
    Azure,
    Cosmos,
    EntraApp,
    Jwt,
    Platform,
    SyntheticUser,
)
from rollback.model.environment.limits import (
    Network,
    Pair,
    Policy,
)
from rollback.model.environment.people import (
    Approvals,
    Channel,
)
from rollback.model.environment.stores import (
    BlobLease,
    BlobStore,
    Evidence,
    EvidenceAnswer,
    EvidenceCommand,
    EvidenceFile,
    FolderLease,
    FolderStore,
    Lease,
    S3Lease,
    S3Store,
    SharedStore,
    SourceName,
)
from rollback.model.environment.surfaces import (
    HaltAuthority,
    Pipeline,
    Surface,
    TradingLoop,
)
from rollback.model.environment.texts import (
    Host,
    Secret,
    SecretRef,
    Url,
    UrlPath,
)
from rollback.model.steps import SurfaceName

__all__ = [
    "Approvals",
    "AuditNames",
    "Azure",
    "BlobLease",
    "BlobStore",
    "Channel",
    "Cosmos",
    "CutoverStage",
    "EntraApp",
    "Environment",
    "Evidence",
    "EvidenceAnswer",
    "EvidenceCommand",
    "EvidenceFile",
    "FolderLease",
    "FolderStore",
    "HaltAuthority",
    "Host",
    "Jwt",
    "Kind",
    "Lease",
    "Network",
    "Owner",
    "Pair",
    "Pipeline",
    "Platform",
    "Policy",
    "S3Lease",
    "S3Store",
    "Secret",
    "SecretRef",
    "SharedStore",
    "SourceName",
    "Surface",
    "SyntheticUser",
    "TradingLoop",
    "Url",
    "UrlPath",
]


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
