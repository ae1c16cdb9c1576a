"""One checker a promise, asked after each step, by what the world and the journal say.

They are dumb on purpose: they share no code with the loop, the fold, the ledger or preflight.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

from rollback.evidence.chunks import unpacked
from rollback.model.change import Update
from rollback.model.direction import Direction
from rollback.model.effect import ExactBody, HttpWrite, NoBody
from rollback.model.record import RecordKind
from rollback.rehearsal.simulator import names
from rollback.rehearsal.simulator.ledger import _canonical_digest
from tests.simulation import watched
from tests.simulation.watch import laptop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rollback.model.plan import PlannedStep
    from rollback.model.record import Record
    from rollback.rehearsal.simulator.exchange import Call
    from rollback.rehearsal.simulator.world import World
    from tests.simulation.watch import Sitting, Watch

NO_REWRITE = "no-control-plane-rewrite"
PERMISSION = "plan-is-permission"
AUTHORITY = "halt-authority-retained"
EVIDENCE = "evidence-first"
UNKNOWN = "unknown-is-a-state"
ONCE = "same-plan-twice-is-once"
NO_SECRET = "no-secret-leaves"
SAFETY = "toward-safety"
LEASE = "lease"

WINDOW_S = 5.0
"""How long preparing a send may take after the last look, where nothing was slow or paused."""


# --- when a request reaches the world ------------------------------------------------------------


def on_write(watch: Watch, call: Call) -> None:
    """Every write received: permitted by the plan, and spent in the journal before."""
    said = f"{call.method} {call.host}{call.path}"
    if call.host == names.COSMOS_HOST or "documentdb" in call.path.lower():
        watch.breaks(NO_REWRITE, f"{said} reached the Cosmos account")
    if "/api/control" in call.path:
        watch.breaks(NO_REWRITE, f"{said} reached the backend's control API")
    who = watch.here()
    sitting = watch.sitting_of(who)
    fitting = [
        effect
        for effect in sitting.plan.plan.effects
        if isinstance(effect, HttpWrite)
        and (effect.method, effect.host, effect.path) == (call.method, call.host, call.path)
        and _body_fits(effect, call)
    ]
    if not fitting:
        watch.breaks(PERMISSION, f"{said} is in no plan")
        return
    records = watch.records(who)
    effect = fitting[0]
    intents = [
        one for one in records if one.kind is RecordKind.INTENT and one.text("effect") == effect.id
    ]
    returned = sum(
        one.kind is RecordKind.RETURNED and one.text("effect") == effect.id for one in records
    )
    sent = laptop(who), effect.id
    received = watch.received[sent] = watch.received.get(sent, 0) + 1
    emergency = effect.direction is Direction.TOWARD and any(
        f'"{effect.id}"' in line for line in watch.output
    )
    if received > effect.times_max + returned:
        watch.breaks(PERMISSION, f"{said} was sent {received} times")
    if emergency:
        return
    if len(intents) < received:
        watch.breaks(PERMISSION, f"{said} left without an intent in the journal")
    elif not watch.durable(who, intents[-1]):
        watch.breaks(PERMISSION, f"{said} left before its intent was durable")
    elif _outcome_after(records, intents[-1]):
        watch.breaks(PERMISSION, f"{said} left after its outcome was recorded")


def _body_fits(effect: HttpWrite, call: Call) -> bool:
    if isinstance(effect.body, ExactBody):
        return effect.body.sha256 == _canonical_digest(call.body)
    return not isinstance(effect.body, NoBody) or not call.body


def _outcome_after(records: tuple[Record, ...], intent: Record) -> bool:
    place = records.index(intent)
    key = (intent.text("step"), intent.text("change"))
    return any(
        one.kind is RecordKind.OUTCOME and (one.text("step"), one.text("change")) == key
        for one in records[place:]
    )


# --- when a record is written --------------------------------------------------------------------


def on_record(watch: Watch, who: str, record: Record) -> None:
    """What a record may say only where it is true."""
    if why := watched.unwatched(watch, who):
        watch.breaks(AUTHORITY, why)
    match record.kind:
        case RecordKind.INTENT:
            _on_intent(watch, who, record)
        case RecordKind.OUTCOME:
            _on_outcome(watch, who, record)
        case RecordKind.EVIDENCE if record.text("performed/sources"):
            name = record.text("step")
            for problem in kept(watch, record, watch.scene.sources.get(name, 0)):
                watch.breaks(EVIDENCE, f"{name}: {problem}")
        case RecordKind.REFUSAL:
            said = f"{record.text('rule')}: {record.text('method')} {record.text('path')}"
            watch.breaks(PERMISSION, f"the product tried what the guard refuses ({said})")
        case RecordKind.VERIFIED:
            _on_verified(watch, who, record)
        case _:
            pass


def _update(watch: Watch, who: str, record: Record) -> tuple[PlannedStep, Update] | None:
    plan = watch.sitting_of(who).plan.plan
    key = (record.text("step"), record.text("change"))
    return next((one for one in plan.updates if (one[0].name, one[1].id) == key), None)


def _on_intent(watch: Watch, who: str, record: Record) -> None:
    found = _update(watch, who, record)
    if found is None or found[1].direction is not Direction.AWAY:
        return
    step, change = found
    _fenced(watch, who, step, change, record)
    records = watch.records(who)
    looked = next(
        (
            one
            for one in reversed(records)
            if one.kind is RecordKind.OBSERVED
            and one.text("step") == step.name
            and one.text("verdict") == "as-predicted"
        ),
        None,
    )
    looked_s = None if looked is None else watch.at(looked)
    if looked_s is None:
        watch.breaks(ONCE, f"{step.name} sends without having looked in this sitting")
        return
    now_s = watch.ground.baton.now_s
    excused = any(
        one.fault in {"slow", "slow-answer", "pause", "long-pause"} and one.at_s >= looked_s
        for one in watch.ground.struck
    )
    if not excused:
        watch.window_s_max = max(watch.window_s_max, now_s - looked_s)
        if now_s - looked_s > WINDOW_S:
            late = f"{step.name} sends {now_s - looked_s:.1f} s after it looked"
            watch.breaks(LEASE, late)
    _proved(watch, who, step, change, looked_s)
    _captured(watch, who, step)


def on_departure(watch: Watch, call: Call) -> None:
    """When a move away from safety leaves, the lease on what it changes is ours, and not over."""
    who = watch.here()
    for step, change in watch.sitting_of(who).plan.plan.updates:
        if change.direction is Direction.AWAY and any(
            isinstance(effect, HttpWrite)
            and (effect.method, effect.host, effect.path) == (call.method, call.host, call.path)
            for effect in change.effects
        ):
            _held(watch, who, step, change)
            if why := watched.moves_after_loss(watch, who, step, change):
                watch.breaks(AUTHORITY, why)


def _held(watch: Watch, who: str, step: PlannedStep, change: Update) -> None:
    scope = f"{watch.scene.environment.environment}/{change.surface}"
    last = next((one for one in reversed(watch.leases) if one.document.scope == scope), None)
    run = watch.records(who)[0].run
    if last is None or not last.document.held or not last.document.holder.startswith(run):
        holder = "nobody" if last is None else last.document.holder
        watch.breaks(LEASE, f"{step.name} sends while the lease is {holder}'s")
        return
    ago = watch.ground.baton.now_s - last.at_s
    if ago > last.document.ttl_s + 0.5:
        watch.breaks(LEASE, f"{step.name} sends {ago:.0f} s after its lease was last renewed")


def _fenced(watch: Watch, who: str, step: PlannedStep, change: Update, record: Record) -> None:
    """No writer on record under a fencing number that another was given, or a later one."""
    mine = int(str(record.get("fence")))
    for one in watch.log:
        if one.record.kind is not RecordKind.INTENT or one.record.run == record.run:
            continue
        other = _update(watch, one.process, one.record)
        if other is None or other[1].direction is not Direction.AWAY:
            continue
        fence = int(str(one.record.get("fence")))
        if other[1].surface == change.surface and fence >= mine:
            said = f"{step.name} is sent under fence {mine} by {who}"
            watch.breaks(LEASE, f"{said}, and {one.process} sent under {fence} before")


def _proved(watch: Watch, who: str, step: PlannedStep, change: Update, at_s: float) -> None:
    """Authority proved of production, and of the release that takes traffic on its own slot."""
    halt = watch.scene.environment.halt_authority
    if not change.moves_users:
        return
    proofs = [one for one in watch.log if one.process == who and _retained(one.record)]

    def fresh(slot: str, build: str = "") -> bool:
        return any(
            one.record.text("slot") == slot
            and at_s - one.at_s <= halt.age_s_max + 1.0
            and (not build or one.record.get("builds") == (build,))
            for one in proofs
        )

    if not fresh("production"):
        watch.breaks(AUTHORITY, f"{step.name} moves users without fresh proof of production")
    if change.surface == halt.surface:
        slot = watch.scene.environment.surface(halt.surface).stable_slot
        if not fresh(slot, change.to_build or ""):
            watch.breaks(
                AUTHORITY, f"{step.name} moves users to {change.to_build}, not proved on its slot"
            )


def _retained(record: Record) -> bool:
    return record.kind is RecordKind.AUTHORITY and record.text("verdict") == "retained"


def _captured(watch: Watch, who: str, step: PlannedStep) -> None:
    """Volatile evidence stands in the store before the step that endangers it."""
    plan = watch.sitting_of(who).plan.plan
    name = f"capture-before/{step.name}"
    if not any(one.name == name for one in plan.steps):
        watch.breaks(EVIDENCE, f"{step.name} endangers evidence that no step captures")
        return
    told = next(
        (
            one
            for one in reversed(watch.records(who))
            if one.kind is RecordKind.EVIDENCE and one.text("step") == name
        ),
        None,
    )
    if told is None:
        watch.breaks(EVIDENCE, f"{step.name} begins before {name} kept anything")


def kept(watch: Watch, told: Record, sources: int) -> Iterator[str]:
    """What is wrong with a capture that is said to be done: read from the store itself."""
    listed = _chunk(watch, told.text("performed/windows_sha256"))
    if listed is None:
        yield "the list of what was captured is in no store"
        return
    windows = json.loads(unpacked(listed))["windows"]
    if len(windows) < sources:
        yield f"{len(windows)} of {sources} sources are in it, and nothing says why"
    for window in windows:
        for chunk in window["chunks"]:
            if _chunk(watch, chunk["sha256"]) is None:
                yield f"{window['source']}: a chunk is in no store"
        if window["completeness"] != "complete" and not window["reason"]:
            yield f"{window['source']}: a gap without a reason"
        if window["completeness"] == "complete" and not window["chunks"] and window["items"]:
            yield f"{window['source']}: items without a chunk"


def _chunk(watch: Watch, name: str) -> bytes | None:
    if not name:
        return None
    root = watch.scene.directory
    places = [root / "evidence-store", *root.glob("state*/evidence/*")]
    for place in places:
        path = place / "chunks" / name
        if path.is_file():
            return path.read_bytes()
    return None


def _on_outcome(watch: Watch, who: str, record: Record) -> None:
    """What is recorded of a write is true of the world."""
    found = _update(watch, who, record)
    if found is None:
        return
    step, change = found
    if change.direction is Direction.AWAY:
        # What was seen before users moved says nothing of what they see now.
        watch.asked[laptop(who)].clear()
    said = record.text("outcome")
    world = watch.ground.world
    truth = effect_in(world, change)
    if truth is None:
        return
    if said == "applied" and not truth:
        watch.breaks(UNKNOWN, f"{step.name} {change.id} is recorded applied, and is not")
    if said == "not-applied" and (truth or _under_way(world, change)):
        watch.breaks(UNKNOWN, f"{step.name} {change.id} is recorded not applied, and is")


def effect_in(world: World, change: Update) -> bool | None:
    """Whether a change is made in the world; None where the world does not say."""
    site = f"trading-{change.surface}"
    if change.surface is None or site not in world.sites:
        return None
    home = world.sites[site]
    if change.id == "swap":
        serving = {one.serves() for one in home.slots[names.PRODUCTION].instances}
        return serving == {change.to_build} and home.operation is None
    if change.id.startswith("auto-swap-"):
        return home.slots[change.id.rpartition("-")[2]].auto_swap in {None, ""}
    return None


def _under_way(world: World, change: Update) -> bool:
    home = world.sites[f"trading-{change.surface}"]
    return change.id == "swap" and home.operation is not None


def _on_verified(watch: Watch, who: str, record: Record) -> None:
    """A step that holds from outside was looked at from outside: every host, often enough."""
    step = watch.sitting_of(who).plan.plan.step(record.text("step"))
    for change in _unknown(watch, who, step):
        watch.breaks(UNKNOWN, f"{step.name} is verified, and {change} is unknown")
    if record.get("holds") is not True or step.action not in {"restore_traffic", "verify_release"}:
        return
    environment = watch.scene.environment
    spec = {fact.name: fact.value for fact in step.spec}
    surfaces = spec.get("surfaces")
    samples = int(str(spec.get("samples", 20))) if step.action == "restore_traffic" else 1
    for name in surfaces if isinstance(surfaces, tuple) else ():
        surface = environment.surface(str(name))
        if surface.provider != "app-service":
            continue
        for host in surface.hosts:
            path = surface.release_path
            if step.action == "verify_release":
                if surface.page_path is None:
                    continue
                path = surface.page_path
            seen = watch.asked[laptop(who)][host, path]
            if seen < samples:
                watch.breaks(UNKNOWN, f"{step.name} is verified, and {host} was asked {seen} times")
        serving = {
            one.serves()
            for one in watch.ground.world.sites[f"trading-{name}"].slots[names.PRODUCTION].instances
        }
        if len(serving) > 1:
            watch.breaks(UNKNOWN, f"{step.name} is verified while {name} serves {serving}")


def _unknown(watch: Watch, who: str, step: PlannedStep) -> list[str]:
    """Changes of a step of which the last that is on record is that nobody knows."""
    last: dict[str, str] = {}
    said = {RecordKind.SAID, RecordKind.RETURNED}
    for one in watch.records(who):
        if one.kind is RecordKind.OUTCOME and one.text("step") == step.name:
            last[one.text("change")] = one.text("outcome")
        elif one.kind in said:
            last.pop(one.text("effect").partition("#")[2], None)
    return [change for change, outcome in last.items() if outcome == "unknown"]


# --- when a sitting, and when all, is over ---------------------------------------------------------


def at_sitting_end(watch: Watch, sitting: Sitting) -> None:
    """Where nothing but a disk failed, a sitting that ended by itself has made every halt it may.

    And whoever was at it has heard of a loss of authority.
    """
    if why := watched.untold(watch, sitting):
        watch.breaks(AUTHORITY, why)
    struck = (one for one in watch.ground.struck if one.point.process == sitting.process)
    kinds = {one.point.kind for one in struck}
    if sitting.died or sitting.exit is None or not kinds <= {"append", "sync", "file"}:
        return
    for _, change in sitting.plan.plan.updates:
        made = effect_in(watch.ground.world, change)
        if _spent(watch, sitting, change):
            continue
        if change.direction is Direction.TOWARD and made is False:
            said = f"{sitting.process} ended with {sitting.exit}: {sitting.said}"
            watch.breaks(SAFETY, f"{change.id} of {change.surface} was not made, and {said}")


def at_end(watch: Watch, world_before: World) -> None:
    """The promises that only the whole can show."""
    world = watch.ground.world
    _swapped_once(watch, world)
    _nothing_rewritten(watch, world, world_before)
    _truthful(watch, world)
    _safe(watch, world)
    _no_secret(watch)


def _swapped_once(watch: Watch, world: World) -> None:
    for site, home in world.sites.items():
        if home.swaps > 1:
            watch.breaks(ONCE, f"{site} was swapped {home.swaps} times")


def _nothing_rewritten(watch: Watch, world: World, before: World) -> None:
    for change in world.changes[len(before.changes) :]:
        if not change.principal.startswith(("operator:", "backend:")):
            watch.breaks(NO_REWRITE, f"{change.principal} changed {change.container}/{change.id}")
    for control in world.containers["trading_controls"].documents:
        earlier = before.document("trading_controls", control["id"]) or {}
        if earlier.get("halted") and not control["halted"]:
            watch.breaks(AUTHORITY, f"the halt of {control['id']} was lifted")
        if watch.ground.halted and control["id"] == "global" and not control["halted"]:
            watch.breaks(AUTHORITY, "the operator's halt was lifted")


def _truthful(watch: Watch, world: World) -> None:
    """Exit 0 only where everything the plan says is so."""
    for sitting in watch.sittings:
        if sitting.exit != 0:
            continue
        for _, change in sitting.plan.plan.updates:
            if effect_in(world, change) is False:
                watch.breaks(UNKNOWN, f"{sitting.process} ended with 0, and {change.id} is not so")


def _safe(watch: Watch, world: World) -> None:
    """Moves toward safety were made by the last sitting that ended in its own time.

    One whose sends were all looked for and found not applied, as often as the plan gives them back,
    is a person's to decide.
    """
    ended = [one for one in watch.sittings if not one.died and one.exit is not None]
    if not any(one.calm for one in ended):
        return
    for sitting in ended[-1:]:
        for _, change in sitting.plan.plan.updates:
            if change.direction is not Direction.TOWARD or _spent(watch, sitting, change):
                continue
            if effect_in(world, change) is False:
                watch.breaks(
                    SAFETY,
                    f"{change.id} of {change.surface} was not made, and {sitting.process} ended "
                    f"with {sitting.exit}: {sitting.said}",
                )


def _spent(watch: Watch, sitting: Sitting, change: Update) -> bool:
    told = Counter(
        (one.text("effect"), one.kind, one.get("sent")) for one in watch.records(sitting.process)
    )
    for one in change.effects:
        sent = told[one.id, RecordKind.INTENT, None] - told[one.id, RecordKind.RETURNED, False]
        returned = told[one.id, RecordKind.RETURNED, True]
        if sent >= one.times_max + returned and returned >= one.returns_max:
            return True
    return False


def _no_secret(watch: Watch) -> None:
    values = [
        value
        for name, value in watch.scene.stage.variables.items()
        if name in watch.scene.secret_names
    ]
    root = watch.scene.directory
    texts = {"what it said": "\n".join((*watch.output, *watch.ground.story)).encode()}
    for path in root.glob("state*/runs/*/*"):
        if path.is_file():
            texts[path.name] = path.read_bytes()
    for where, text in texts.items():
        for value in values:
            if value.encode() in text:
                watch.breaks(NO_SECRET, f"a secret stands in {where}")
