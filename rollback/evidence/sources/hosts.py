"""What the hosts answer: release probes of every instance, and the control reads, raw."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from rollback.connectors.trading_backend import affinity, bearer
from rollback.errors import ConnectorError
from rollback.evidence.source import Gap, Read, Source
from rollback.evidence.sources.lines import answer_line
from rollback.model.views import SlotRef

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rollback.model.environment import Environment, Surface
    from rollback.model.ports import Clients

_PRODUCTION = "production"
_OK = 200
_FAILED = 500

TRIES = 3
"""A bad release may fail some of its answers; a gap is what failed this often."""


def probe_answers(environment: Environment, name: str, seconds_max: int) -> Source:
    """The release answer of every instance of production and of the stable slot."""
    surface = environment.surface(name)

    def read(clients: Clients) -> Iterator[Read]:
        def one(slot: str) -> list[Read]:
            ref = SlotRef(
                resource_group=surface.resource_group or environment.azure.resource_group,
                site=surface.site or "",
                slot=None if slot == _PRODUCTION else slot,
            )
            told: list[Read] = []
            try:
                instances = [one.id for one in clients.arm().instances(ref)]
            except ConnectorError as error:
                told.append(Gap.of(error, ref.label))
                instances = []
            host, path = _host(surface, slot), surface.release_path
            answers = clients.together(
                [
                    partial(_answers, clients, host, path, affinity(one) if one else (), one)
                    for one in instances or [""]  # the host itself, where none is known
                ]
            )
            return [*told, *(line for lines in answers for line in lines)]

        slots = (_PRODUCTION, surface.stable_slot)
        for lines in clients.together([partial(one, slot) for slot in slots]):
            yield from lines

    return Source(f"{name}/probe-answers", read, seconds_max)


def control_reads(environment: Environment, seconds_max: int) -> tuple[Source, ...]:
    """Feature flags, trading-control state and open orders, as the backend says them."""
    halt = environment.halt_authority
    surface = environment.surface(halt.surface)
    if not surface.hosts:
        return ()
    wanted = (
        ("feature-flags", halt.flags_path),
        ("trading-control", halt.control_path),
        ("open-orders", halt.orders_path),
    )

    def one(name: str, path: str) -> Source:
        def read(clients: Clients) -> Iterator[Read]:
            headers = bearer(clients.secret(halt.token))
            yield from _raw(clients, surface.hosts[0], path, headers, "")

        return Source(name, read, seconds_max)

    return tuple(one(name, path) for name, path in wanted if path is not None)


def _answers(
    clients: Clients,
    host: str,
    path: str,
    headers: tuple[tuple[str, str], ...],
    instance: str,
) -> list[Read]:
    return [*_raw(clients, host, path, headers, instance)]


def _raw(
    clients: Clients,
    host: str,
    path: str,
    headers: tuple[tuple[str, str], ...],
    instance: str,
) -> Iterator[Read]:
    """Every answer until a good one: a bad release fails some, and that is evidence too."""
    problem, passing = "", False
    for _ in range(TRIES):
        try:
            answer = clients.http(host).get(path, headers=headers, tries=1)
        except ConnectorError as error:
            problem, passing = error.reason, error.transient
            continue
        yield answer_line(answer, host, path, instance=instance)
        if answer.status == _OK:
            return
        problem, passing = f"answered {answer.status}", False
        if answer.status < _FAILED:
            break
    yield Gap(f"{host}{path}: {problem}", passing)


def _host(surface: Surface, slot: str) -> str:
    if slot == _PRODUCTION:
        return surface.hosts[0]
    named = dict(surface.slot_hosts).get(slot)
    return named or f"{surface.site}-{slot}.azurewebsites.net".lower()
