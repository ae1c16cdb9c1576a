"""Halt authority read from the world: every instance of one slot, one by one, and the control.

Only GET requests. Instances are those Resource Manager lists; each is addressed by its affinity
cookie with a nonce of its own, once with the operator's token and once with the token that must be
refused. Who failed to answer is looked up again in the list: an instance that left is not asked.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from rollback.connectors import trading_backend
from rollback.errors import ConnectorError
from rollback.model.authority import AuthorityProbe, AuthorityReading, WeakProof
from rollback.model.slots import host_of, reference
from rollback.planning.authority import MISSING_STATUS, REFUSED_STATUSES

if TYPE_CHECKING:
    from rollback.model.environment import Environment
    from rollback.model.ports import Answer, Clients, HttpPort
    from rollback.model.views import SlotRef

_OK = 200
NOBODY = ""
"""The instance of a probe that stands for a list nobody could read."""


def read_authority(environment: Environment, slot: str, clients: Clients) -> AuthorityReading:
    """Read the authority of one slot of the surface that carries it. Never raises for the world.

    slot: ``production`` or a slot's name. A refusal of the guard comes through.
    """
    halt = environment.halt_authority
    surface = environment.surface(halt.surface)
    started = clients.now()
    ref = reference(environment, surface, slot)
    instances, problem = _instances(clients, ref)
    reader = _Reader(environment, slot, clients, clients.http(host_of(surface, slot)))
    if problem:
        nobody = reader.failed(NOBODY, problem)
        return AuthorityReading(
            slot=slot, instances=(), probes=(nobody,), controls=(), at=started
        )
    probes: list[AuthorityProbe] = []
    if halt.path is not None:
        for _ in range(halt.probes_lost):
            probes += reader.ask_all(halt.path, instances)
            if any(probe.status is not None for probe in probes):
                break
        if any(not probe.answered for probe in probes):
            left, problem = _instances(clients, ref)
            instances = instances if problem else tuple(one for one in instances if one in left)
    missing = all(probe.status == MISSING_STATUS for probe in probes)
    answering = {probe.instance for probe in probes if probe.answered}
    asked = tuple(one for one in instances if one in answering)
    controls = () if halt.path is None else reader.ask_all(halt.path, asked, control=True)
    return AuthorityReading(
        slot=slot,
        instances=instances,
        probes=reader.with_builds(probes) if missing else tuple(probes),
        controls=controls,
        weak=reader.weak(instances) if missing else (),
        at=started,
    )


def _instances(clients: Clients, ref: SlotRef) -> tuple[tuple[str, ...], str]:
    """(ids, why they could not be listed)."""
    try:
        return tuple(sorted(one.id for one in clients.arm().instances(ref))), ""
    except ConnectorError as error:
        return (), error.reason


class _Reader:
    """One slot's host, asked with the environment's tokens."""

    def __init__(
        self, environment: Environment, slot: str, clients: Clients, http: HttpPort
    ) -> None:
        self._halt = environment.halt_authority
        self._release_path = environment.surface(self._halt.surface).release_path
        self._slot = slot
        self._clients = clients
        self._http = http

    def ask_all(
        self, path: str, instances: tuple[str, ...], *, control: bool = False
    ) -> tuple[AuthorityProbe, ...]:
        """One probe of every instance, side by side."""
        return self._clients.together(
            [partial(self._ask, path, instance, control=control) for instance in instances]
        )

    def _ask(self, path: str, instance: str, *, control: bool) -> AuthorityProbe:
        """One probe of one instance, with a fresh nonce."""
        token = self._halt.refused_token if control else self._halt.token
        return trading_backend.authority(
            self._http,
            path,
            surface=self._halt.surface,
            slot=self._slot,
            instance=instance,
            token=self._clients.secret(token),
            nonce=self._clients.nonce(),
            now=self._clients.now(),
            control=control,
        )

    def failed(self, instance: str, problem: str) -> AuthorityProbe:
        """A probe that could not be made."""
        return AuthorityProbe(
            surface=self._halt.surface,
            slot=self._slot,
            instance=instance,
            answered=False,
            problem=problem,
            at=self._clients.now(),
        )

    def with_builds(self, probes: list[AuthorityProbe]) -> tuple[AuthorityProbe, ...]:
        """Probes of a backend without the endpoint, with the build that each instance serves."""
        return self._clients.together([partial(self._with_build, probe) for probe in probes])

    def _with_build(self, probe: AuthorityProbe) -> AuthorityProbe:
        seen = trading_backend.release(self._http, self._release_path, instance=probe.instance)
        return probe.model_copy(update={"build": seen.build if seen.answered else ""})

    def weak(self, instances: tuple[str, ...]) -> tuple[WeakProof, ...]:
        """The declared classes of weak proof that can be read over HTTP.

        ``state-read``: every instance reads the control state from its store. ``permission-check``:
        the control state is given to the operator's token and refused to one that nobody issued.
        ``heartbeat-age`` needs a heartbeat that a backend without the endpoint does not offer.
        """
        made = {"state-read": self._state_read, "permission-check": self._permission_check}
        return tuple(
            made[kind](instances) for kind in self._halt.weak_proofs if instances and kind in made
        )

    def _state_read(self, instances: tuple[str, ...]) -> WeakProof:
        token = self._clients.secret(self._halt.token)
        read = self._clients.together([partial(self._control, one, token) for one in instances])
        problems = [
            f"{instance[:8]} answered {status}"
            for instance, (status, etag) in zip(instances, read, strict=True)
            if status != _OK or not etag
        ]
        detail = "; ".join(problems) or f"{len(instances)} instances read the control state"
        return self._proof("state-read", detail, holds=not problems)

    def _permission_check(self, instances: tuple[str, ...]) -> WeakProof:
        token = self._clients.secret(self._halt.token)

        def told(instance: str) -> tuple[int | None, int | None]:
            given, _ = self._control(instance, token)
            refused, _ = self._control(instance, f"nobody-{self._clients.nonce()}")
            return given, refused

        read = self._clients.together([partial(told, instance) for instance in instances])
        problems = [
            f"{instance[:8]} answered {given}, and {refused} to a false token"
            for instance, (given, refused) in zip(instances, read, strict=True)
            if given != _OK or refused not in REFUSED_STATUSES
        ]
        detail = "; ".join(problems) or "the operator's token is told from a false one"
        return self._proof("permission-check", detail, holds=not problems)

    def _control(self, instance: str, token: str) -> tuple[int | None, str]:
        """(status, etag of the control document) as one instance reads it."""
        pinned = _Pinned(self._http, instance)
        try:
            state = trading_backend.trading_control(pinned, self._halt.control_path, token)
        except ConnectorError as error:
            return error.status, ""
        return _OK, state.etag

    def _proof(self, kind: str, detail: str, *, holds: bool) -> WeakProof:
        return WeakProof(kind=kind, holds=holds, detail=detail, at=self._clients.now())


class _Pinned:
    """A host whose reads all go to one instance."""

    def __init__(self, http: HttpPort, instance: str) -> None:
        self._http = http
        self._headers = trading_backend.affinity(instance)
        self.exchange = http.exchange
        self.read_by_post = http.read_by_post
        self.send = http.send
        self.socket = http.socket

    def get(
        self,
        path: str,
        *,
        query: tuple[tuple[str, str], ...] = (),
        headers: tuple[tuple[str, str], ...] = (),
        fresh: bool = False,
        tries: int = 1,
    ) -> Answer:
        """GET from the one instance."""
        pinned = (*self._headers, *headers)
        return self._http.get(path, query=query, headers=pinned, fresh=fresh, tries=tries)
