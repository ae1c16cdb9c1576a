"""What connectors answer: typed, without secrets, before actions turn it into observations."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from rollback.model.base import Frozen, Instant


class SlotRef(Frozen):
    """One slot of one site. slot None is production."""

    resource_group: str
    site: str
    slot: str | None = None

    @property
    def label(self) -> str:
        """``site`` or ``site/slot``."""
        return self.site if self.slot is None else f"{self.site}/{self.slot}"


class RampRule(Frozen):
    """A traffic rule of a site. percent is an integer: hundredths of a percent, 15 % is 1500."""

    name: str
    host: str
    percent_hundredths: Annotated[int, Field(ge=0, le=10_000)]


class SlotView(Frozen):
    """A site or slot as Resource Manager shows it.

    swap_at/swap_source/swap_destination: slotSwapStatus, the last successful swap (measured: names
    do not tell the direction, the timestamp counts swaps). preview_target: a pending swap with
    preview. operation: an operation in progress.
    """

    ref: SlotRef
    state: str
    enabled: bool = True
    host: str
    hosts: tuple[str, ...] = ()
    deployment_id: str = ""
    swap_at: str = ""
    swap_source: str = ""
    swap_destination: str = ""
    preview_target: str = ""
    operation: str = ""
    etag: str = ""
    affinity: bool = True


class ConfigurationView(Frozen):
    """config/web of a slot, the parts that matter here."""

    ref: SlotRef
    image: str = ""
    auto_swap: str = ""
    ramp_rules: tuple[RampRule, ...] = ()
    warmup_path: str = ""
    warmup_statuses: str = ""
    web_sockets: bool | None = None


class SettingView(Frozen):
    """An application setting: name, keyed digest of its value, whether it stays with the slot."""

    name: str
    digest: str
    sticky: bool


class DifferenceView(Frozen):
    """One setting that a swap would change (slotsdiffs)."""

    name: str
    kind: str
    rule: str
    description: str = ""


class InstanceView(Frozen):
    """A worker instance that Resource Manager lists."""

    id: str
    state: str = ""


class DeploymentView(Frozen):
    """One entry of a slot's deployment history."""

    id: str
    build: str
    active: bool
    ended_at: Instant | None = None


class ActivityView(Frozen):
    """One entry of the activity log."""

    operation: str
    resource: str
    status: str
    caller: str
    at: Instant
    correlation: str = ""


class OperationState(StrEnum):
    """Where a long-running operation stands."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    GONE = "gone"


class OperationView(Frozen):
    """One look at a long-running operation. location: where to look next (it changes each time)."""

    state: OperationState
    location: str = ""
    message: str = ""


class DocumentView(Frozen):
    """One Cosmos document, by content digest; the content itself goes to evidence."""

    container: str
    id: str
    etag: str
    ts: int
    sha256: str
