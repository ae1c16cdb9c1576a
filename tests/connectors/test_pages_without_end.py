"""Lists whose next page leads back: told as unreadable, and never followed for ever."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rollback.errors import ConnectorError
from rollback.rehearsal.simulator import names
from tests.connectors.stand import BACKEND, environment, stand

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollback.model.ports import ArmPort
    from rollback.rehearsal.simulator.process import Simulator

NOW = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
SITE = (
    f"/subscriptions/{names.SUBSCRIPTION}/resourceGroups/{names.RESOURCE_GROUP}"
    f"/providers/Microsoft.Web/sites/{names.BACKEND}"
)
LISTS: dict[str, tuple[str, str, Callable[[ArmPort], object]]] = {
    "ours": (
        "/eventtypes/management/values",
        f"/subscriptions/{names.SUBSCRIPTION}/providers/Microsoft.Insights/eventtypes/management/values",
        lambda arm: arm.activity(BACKEND, NOW, NOW + timedelta(hours=1)),
    ),
    "the SDK's": ("/instances", f"{SITE}/instances", lambda arm: arm.instances(BACKEND)),
}


@pytest.mark.parametrize("items", [[], [{"name": "one", "properties": {}}]])
@pytest.mark.parametrize("whose", LISTS)
def test_a_next_page_that_was_read_ends_the_list(
    fresh: Simulator, whose: str, items: list[Any]
) -> None:
    path, page, read = LISTS[whose]
    again = f"https://{names.ARM_HOST}{page}?api-version=2025-05-01&$skiptoken=7"
    body = {"value": items, "nextLink": again}
    fresh.control.fault("status", method="GET", path=path, status=200, body=body, count=0)
    with stand(environment(fresh)) as here, pytest.raises(ConnectorError) as caught:
        read(here.clients.arm())
    assert caught.value.code == "app-service.unreadable"
    assert "its next page is one that was read" in caught.value.reason
    assert len(here.exchanges.seen_all) <= 4
