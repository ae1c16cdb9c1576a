"""App Service: site, slots, settings by name and keyed digest, deployments, worker logs."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING

from rollback.connectors.app_service import LOG_BYTES_MAX
from rollback.errors import ConnectorError
from rollback.evidence.redaction import Redaction
from rollback.evidence.source import Gap, Read, Source
from rollback.evidence.sources.lines import line, model_line, text_line
from rollback.evidence.sources.pieces import (
    AROUND_BYTES,
    BROKEN_OFF,
    END_UNKNOWN,
    IN_PIECES,
    pieces,
)
from rollback.evidence.spread import Spread, may_go_on
from rollback.model.ports import ArmPort
from rollback.model.slots import PRODUCTION, reference
from rollback.model.views import SlotRef

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rollback.evidence.sources.pieces import Redact
    from rollback.model.environment import Environment
    from rollback.model.ports import Clients

ReadLines = Callable[[ArmPort, SlotRef], Sequence[Read]]


def volatile(environment: Environment, name: str, seconds_max: int) -> tuple[Source, ...]:
    """What a swap, a restart or a deployment of surface `name` destroys."""
    both = _slots(environment, name)
    stable = both[1]

    def routing(clients: Clients) -> Iterator[Read]:
        kinds = (_slot, _configuration, _instances)
        yield from _each(clients, [(ref, kind) for ref in both for kind in kinds])

    def differences(clients: Clients) -> Iterator[Read]:
        settings = [(ref, _settings) for ref in both]
        yield from _each(clients, [(stable, _differences), *settings])

    def logs(clients: Clients) -> Iterator[Read]:
        redact = clients.evidence().redact_bytes
        fields = Redaction(environment.evidence.redact)

        def read(arm: ArmPort, ref: SlotRef) -> list[Read]:
            return _log_lines(arm.worker_logs(ref), ref.label, redact, fields)

        yield from _each(clients, [(ref, read) for ref in both])

    return (
        Source(f"{name}/routing-rules", routing, seconds_max),
        Source(f"{name}/settings-difference", differences, seconds_max),
        Source(f"{name}/worker-logs", logs, seconds_max),
    )


def deployments(environment: Environment, name: str, seconds_max: int) -> Source:
    """What was deployed to surface `name`, which Resource Manager keeps by itself."""
    both = _slots(environment, name)

    def read(clients: Clients) -> Iterator[Read]:
        yield from _each(clients, [(ref, _deployments) for ref in both])

    return Source(f"{name}/deployments", read, seconds_max)


def _slots(environment: Environment, name: str) -> tuple[SlotRef, SlotRef]:
    """Production and the stable slot."""
    surface = environment.surface(name)
    slots = (PRODUCTION, surface.stable_slot)
    production, stable = (reference(environment, surface, slot) for slot in slots)
    return production, stable


def _each(clients: Clients, wanted: list[tuple[SlotRef, ReadLines]]) -> Iterator[Read]:
    """The lines of every read, side by side, or one gap: the others are still read."""
    arm = clients.arm()

    def one(ref: SlotRef, read: ReadLines) -> list[Read]:
        try:
            return [*read(arm, ref)]
        except ConnectorError as error:
            return [Gap.of(error, ref.label)]

    for lines in clients.together([partial(one, ref, read) for ref, read in wanted]):
        yield from lines


def _slot(arm: ArmPort, ref: SlotRef) -> list[bytes]:
    return [model_line(arm.slot(ref))]


def _configuration(arm: ArmPort, ref: SlotRef) -> list[bytes]:
    return [model_line(arm.configuration(ref))]


def _instances(arm: ArmPort, ref: SlotRef) -> list[bytes]:
    return [model_line(one, slot=ref.label) for one in arm.instances(ref)]


def _differences(arm: ArmPort, ref: SlotRef) -> list[bytes]:
    return [model_line(one, slot=ref.label) for one in arm.differences(ref, PRODUCTION)]


def _settings(arm: ArmPort, ref: SlotRef) -> list[bytes]:
    return [model_line(one, slot=ref.label) for one in arm.settings(ref)]


def _deployments(arm: ArmPort, ref: SlotRef) -> list[bytes]:
    return [model_line(one, slot=ref.label) for one in arm.deployments(ref)]


def _log_lines(log: bytes, label: str, redact: Redact, fields: Redaction) -> list[Read]:
    """The lines of a log. fields: what rules name in it, which cannot be looked for in cut lines.

    Of one that was cut at its bound, the rest of the line it was cut in is left out: half a secret
    would not be known for one. Where there are rules, so are the lines after it that may belong to
    a value whose name was cut off.
    """
    made: list[Read] = []
    left_out, since = 0, 0
    slot = json.dumps(label, ensure_ascii=False)
    spread = Spread(fields)
    whole = len(log) < LOG_BYTES_MAX
    begun = 0 if whole else log.find(b"\n") + 1
    inside = not whole and not begun
    headless = not whole and bool(fields.rules)
    kept = BytesIO(log[AROUND_BYTES if inside else begun :])
    for number, (piece, cut) in enumerate(pieces(kept, redact, inside=inside), start=1):
        since = number if spread.plain else since
        headless = headless and (cut or may_go_on(piece))
        hidden = spread.hides(piece, cut=cut) or headless
        if (cut or b"\0" in piece) and fields.rules:
            left_out += 1
            made.append(line({"left_out_bytes": len(piece), "line": number, "slot": label}))
            continue
        if hidden:
            told = f'{{"line":{number},"redacted_bytes":{len(piece)},"slot":{slot}}}'
            made.append(told.encode("utf-8", "backslashreplace"))
            continue
        text = piece.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8", "backslashreplace")
        made.append(text_line(f'"line":{number},"slot":{slot}', text))
    if not log:
        made.append(Gap(f"{label}: no line came; the service may keep no log of it"))
    if spread.followed:
        made.append(Gap(f"{label}: {END_UNKNOWN} (from line {since:,} on)"))
    if spread.in_pieces:
        made.append(Gap(f"{label}: {IN_PIECES}"))
    if spread.broken_off:
        made.append(Gap(f"{label}: {BROKEN_OFF}"))
    if left_out:
        what = "lines too long, or no text in UTF-8, were left out: no field can be redacted there"
        made.append(Gap(f"{label}: {left_out:,} pieces of {what}"))
    if not whole:
        size = len(kept.getbuffer())
        made.append(Gap(f"{label}: only the last {size:,} bytes of its log were kept"))
    return made
