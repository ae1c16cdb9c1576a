"""Raw probe answers: what every instance says of the release it serves."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from rollback.connectors.trading_backend import affinity
from rollback.errors import ConnectorError
from rollback.evidence.source import Gap, Read, Source
from rollback.evidence.sources.raw import raw_answers
from rollback.model.slots import PRODUCTION, host_of, reference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rollback.model.environment import Environment
    from rollback.model.ports import Clients


def probe_answers(environment: Environment, name: str, seconds_max: int) -> Source:
    """The release answer of every instance of production and of the stable slot of a surface."""
    surface = environment.surface(name)

    def read(clients: Clients) -> Iterator[Read]:
        def one(slot: str) -> list[Read]:
            ref = reference(environment, surface, slot)
            host, path = host_of(surface, slot), surface.release_path
            told: list[Read] = []
            try:
                instances = [one.id for one in clients.arm().instances(ref)]
            except ConnectorError as error:
                told.append(Gap.of(error, ref.label))
                instances = []

            def ask(instance: str) -> list[Read]:
                return [*raw_answers(clients, host, path, affinity(instance), instance)]

            def ask_any() -> list[Read]:
                return [*raw_answers(clients, host, path, ())]

            asked = [partial(ask, instance) for instance in instances]
            answers = clients.together(asked or [ask_any])  # the host itself, where none is known
            return [*told, *(line for lines in answers for line in lines)]

        slots = (PRODUCTION, surface.stable_slot)
        for lines in clients.together([partial(one, slot) for slot in slots]):
            yield from lines

    return Source(f"{name}/probe-answers", read, seconds_max)
