"""Surfaces that users reach, and the halt authority behind them."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from rollback.model.base import Frozen, Seconds
from rollback.model.environment.texts import Host, SecretRef, UrlPath
from rollback.model.release import Build, Release
from rollback.model.steps import SurfaceName, Way

_SECRET_NAME = re.compile(
    r"key|secret|token|pass|pwd|conn|cert|sas|sign|credential|private|webhook", re.IGNORECASE
)
"""Settings whose values no connector reads."""


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
