"""A channel: one JSON message posted to a webhook. Its full address may itself be a secret."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rollback.connectors.crossing import by_status, is_success
from rollback.errors import ConnectorError
from rollback.model.direction import Direction, Undo
from rollback.model.effect import BoundedBody, HttpWrite, Purpose

if TYPE_CHECKING:
    from rollback.model.environment import Channel
    from rollback.model.ports import HttpPort

BYTES_MAX = 16_384


def notify_effect(channel: Channel, *, id: str, times_max: int = 1) -> HttpWrite:
    """Post one message to a channel."""
    return HttpWrite(
        id=id,
        method="POST",
        host=channel.host,
        path=channel.path,
        body=BoundedBody(bytes_max=BYTES_MAX),
        times_max=times_max,
        direction=Direction.NEITHER,
        purpose=Purpose.NOTIFY,
        undo=Undo(possible=False, by="a message that was read cannot be taken back"),
        says=f"post a message to channel {channel.name}",
    )


def post(http: HttpPort, effect: HttpWrite, message: dict[str, object]) -> int:
    """Post a message, once; the status. Raises ConnectorError where it was not taken."""
    body = json.dumps(message, sort_keys=True, ensure_ascii=False).encode()
    answer = http.send(effect, body, (("content-type", "application/json"),))
    if not is_success(answer.status):
        failure = by_status(answer.status)
        raise ConnectorError(
            f"webhook.{failure.code}",
            f"{effect.says}: {failure.what}",
            transient=failure.transient,
            status=answer.status,
        )
    return answer.status
