"""A host asked until it answers well, every answer kept as it came."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rollback.errors import ConnectorError
from rollback.evidence.source import Gap, Read
from rollback.evidence.sources.lines import OK, answer_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rollback.model.ports import Clients

TRIES: Final = 3
"""A bad release may fail some of its answers; a gap is what failed this often."""

_FAILED: Final = 500


def raw_answers(
    clients: Clients,
    host: str,
    path: str,
    headers: tuple[tuple[str, str], ...],
    instance: str = "",
) -> Iterator[Read]:
    """Every answer until a good one: a bad release fails some, and that is evidence too.

    instance: whose answer it is, by the affinity in `headers`; empty for whichever answers.
    """
    problem, passing = "", False
    for _ in range(TRIES):
        try:
            answer = clients.http(host).get(path, headers=headers, tries=1)
        except ConnectorError as error:
            problem, passing = error.reason, error.transient
            continue
        yield answer_line(answer, host, path, instance=instance)
        if answer.status == OK:
            return
        problem, passing = f"answered {answer.status}", False
        if answer.status < _FAILED:
            break
    yield Gap(f"{host}{path}: {problem}", passing)
