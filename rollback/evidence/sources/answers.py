"""What gates, alert rules and other services answer when asked: raw, and only ever read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.connectors.trading_backend import bearer
from rollback.errors import ConnectorError
from rollback.evidence.source import Gap, Read, Source
from rollback.evidence.sources.lines import OK, answer_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rollback.model.environment import Environment, EvidenceAnswer
    from rollback.model.ports import Clients


def answers(environment: Environment, seconds_max: int) -> tuple[Source, ...]:
    """One source an address; an answer other than 200 is kept, and is a gap."""
    return tuple(_one(answer, seconds_max) for answer in environment.evidence.answers)


def _one(answer: EvidenceAnswer, seconds_max: int) -> Source:
    host, path = answer.host.removesuffix(":443"), answer.path

    def read(clients: Clients) -> Iterator[Read]:
        headers = () if answer.token is None else bearer(clients.secret(answer.token))
        try:
            got = clients.http(host).get(path, query=answer.query, headers=headers)
        except ConnectorError as error:
            yield Gap.of(error)
            return
        yield answer_line(got, host, path)
        if got.status != OK:
            yield Gap(f"{host}{path}: answered {got.status}")

    return Source(f"answers/{answer.name}", read, seconds_max)
