"""The Azure activity log of a site: who did what to it, as Resource Manager keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rollback.errors import ConnectorError
from rollback.evidence.source import Gap, Read, Source
from rollback.evidence.sources.lines import model_line
from rollback.model.base import Fact
from rollback.model.slots import reference

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from rollback.model.environment import Environment
    from rollback.model.ports import Clients

LATE_S_MAX: Final = 1200
"""An event of the activity log can be read within so many seconds of what happened (Azure Monitor's
documentation)."""


def activity_log(
    environment: Environment, name: str, seconds_max: int, since: datetime, until: datetime
) -> Source:
    """The events of the window of a surface's whole site, slots among them, oldest first.

    Its pages are read in one go, and anew after an interruption: the service keeps them for 90
    days, and an event is told late, so a page that was read may have grown since.
    """
    site = reference(environment, environment.surface(name))

    def read(clients: Clients) -> Iterator[Read]:
        yield Fact(name="late_s_max", value=LATE_S_MAX)
        try:
            events = clients.arm().activity(site, since, until)
        except ConnectorError as error:
            yield Gap.of(error, site.label)
            return
        yield from (model_line(event) for event in events)

    return Source(f"{name}/activity-log", read, seconds_max, since, until)
