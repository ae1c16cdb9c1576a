"""The explorer agrees with a dumb enumerator on every small system."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from rollback.model.direction import Direction
from rollback.planning.proof.model import Node, System
from rollback.planning.proof.prove import prove_system

from . import oracle
from .systems import BAD, OLDER, STABLE, ask, capture, halt, look, move, start, system

SURFACES = ("backend", "web", "mobile")
BUILDS = (BAD, STABLE, OLDER)
SLOTS = ("staging", "canary")
RULES = ("halt", "start")


def told(slots: set[Any]) -> tuple[Any, ...]:
    """As a node says it."""
    return tuple(sorted(slots))


@st.composite
def nodes(draw: st.DrawFn, index: int) -> Node:
    """One node that comes after some of those before it."""
    after = draw(st.sets(st.integers(0, index - 1), max_size=3) if index else st.just(set()))
    kinds = ("halt", "capture", "look", "start", "ask", "move", "move", "move")
    kind = draw(st.sampled_from(kinds))
    moves = kind == "move"
    starts = moves or kind == "start"
    gives = st.dictionaries(st.sampled_from(SLOTS), st.sampled_from(((BAD,), (STABLE, OLDER))))
    directions = {"halt": Direction.TOWARD, "start": Direction.AWAY, "move": Direction.AWAY}
    return Node(
        name=f"{kind}-{index}",
        after=tuple(sorted(after)) if kind != "halt" or draw(st.integers(0, 9)) == 0 else (),
        direction=directions.get(kind, Direction.NEITHER),
        surface=draw(st.sampled_from(SURFACES)) if kind != "look" else None,
        moves_users=moves,
        to_build=draw(st.sampled_from((STABLE, STABLE, *BUILDS, None))) if moves else None,
        volatile=moves and draw(st.integers(0, 3)) == 0,
        captures=kind == "capture",
        goes_on=draw(st.booleans()),
        proves=draw(st.sampled_from(BUILDS)) if kind == "ask" else "",
        hands_over=draw(st.integers(0, 5)) == 0,
        also_to=draw(st.sampled_from(((), (), (BAD,), (STABLE, OLDER)))) if moves else (),
        part=moves and draw(st.integers(0, 3)) == 0,
        returns=0 if kind in ("look", "ask", "capture") else draw(st.integers(0, 5)),
        rules=draw(st.none() | st.sets(st.sampled_from(SLOTS)).map(told)) if kind in RULES else None,
        gives=tuple(sorted(draw(gives).items())) if starts else (),
    )


@st.composite
def chained_or_not(draw: st.DrawFn) -> System:
    """A world and up to five nodes; moves are chained half of the time, so that some hold."""
    made = [draw(nodes(index)) for index in range(draw(st.integers(0, 5)))]
    if draw(st.booleans()):
        for index, node in enumerate(made):
            before = tuple(at for at in range(index) if made[at].moves_users)[-1:]
            if node.moves_users and before:
                after = tuple(sorted({*node.after, *before}))
                made[index] = replace(node, after=after)
    live = draw(
        st.sets(st.tuples(st.sampled_from(SURFACES), st.sampled_from(BUILDS)), max_size=3)
        | st.just({(surface, BAD) for surface in SURFACES})
    )
    pair = st.tuples(*(st.sampled_from(one) for one in (SURFACES, BUILDS) * 2))
    return system(
        *made,
        live=tuple(sorted(live)),
        retained=tuple(
            draw(st.sets(st.sampled_from(BUILDS)) | st.sampled_from([{BAD, STABLE}, set(BUILDS)]))
        ),
        pairs=tuple(draw(st.lists(pair, max_size=1))),
        ruled=told(draw(st.sets(st.tuples(st.sampled_from(SURFACES), st.sampled_from(SLOTS))))),
        serving=told(
            draw(st.sets(st.tuples(*(st.sampled_from(one) for one in (SURFACES, SLOTS, BUILDS)))))
        ),
    )


@st.composite
def led(draw: st.DrawFn) -> System:
    """A world in which nothing but a pair can go wrong, and rules have a say in that."""
    made: list[Node] = []
    surfaces, builds = st.sampled_from(("web", "backend")), st.sampled_from(BUILDS)
    for index in range(draw(st.integers(1, 4))):
        kind, surface = draw(st.sampled_from(("halt", "start", "start", "move"))), draw(surfaces)
        after = draw(st.sets(st.integers(0, index - 1), max_size=2)) if index else set()
        if kind == "move":  # two at once of one surface are not what this is about
            after |= {at for at in range(index) if made[at].moves_users and made[at].surface == surface}
        given = st.dictionaries(st.sampled_from(SLOTS), st.sets(builds, max_size=2).map(told))
        slots = st.sets(st.sampled_from(SLOTS)).map(told)
        made.append(
            Node(
                name=f"{kind}-{index}",
                after=() if kind == "halt" else tuple(sorted(after)),
                direction=Direction.TOWARD if kind == "halt" else Direction.AWAY,
                surface=surface,
                moves_users=kind == "move",
                to_build=draw(builds) if kind == "move" else None,
                goes_on=True,
                rules=draw(slots if kind == "halt" else st.none() | slots),
                gives=() if kind == "halt" else tuple(sorted(draw(given).items())),
            )
        )
    return system(
        *made,
        live=(("backend", BAD), ("web", draw(builds))),
        retained=BUILDS,
        pairs=(("web", draw(builds), "backend", draw(builds)),),
        ruled=told(draw(st.sets(st.tuples(surfaces, st.sampled_from(SLOTS))))),
        serving=told(draw(st.sets(st.tuples(surfaces, st.sampled_from(SLOTS), builds), max_size=4))),
    )


@settings(max_examples=400)
@given(led())
def test_it_agrees_on_whom_rules_lead_where(one: System) -> None:
    _agrees(one)


@settings(max_examples=300)
@given(chained_or_not())
@example(system())
@example(system(halt(), capture("capture"), look("look"), start("start"), move("m", "web", STABLE)))
@example(system(start("start"), ask("ask", STABLE, 0), move("m", "backend", STABLE, 1), retained=()))
@example(system(ask("ask", STABLE), move("m", "backend", STABLE), retained=(BAD,)))
@example(system(start("start"), move("one", "backend", STABLE), move("two", "web", STABLE, 1)))
def test_it_agrees_with_the_enumerator(one: System) -> None:
    _agrees(one)


def _agrees(one: System) -> None:
    found, walked = prove_system(one), oracle.walk_all(one)
    if oracle.waits(one):
        event("a halt waits")
        assert found.broken == "toward-safety-enabled"
        return
    event(found.broken or "holds")
    assert found.holds == (not walked.broken)
    if not found.holds:
        assert found.broken in walked.broken
        assert len(found.counterexample) >= min(walked.broken.values())
        if len(oracle.components(one)) == 1:
            assert len(found.counterexample) == min(walked.broken.values())
        _replay(one, found.counterexample, found.broken)
        return
    # Parts are walked on their own; the operator's halt, at any moment, doubles what is counted.
    parts = [
        {tuple(words[index] for index in sorted(part)) for words in walked.words}
        for part in oracle.components(one)
    ]
    assert found.states == 2 * sum(len(part) for part in parts)


def _replay(one: System, trace: tuple[str, ...], broken: str) -> None:
    """Every event of a counterexample can happen, and the last one breaks what it says."""
    walk = oracle.beginning(one)
    names = [node.name for node in one.nodes]
    for number, line in enumerate(trace, start=1):
        prefix, name, what = line.split(" ", maxsplit=2)
        assert prefix == f"{number}."
        index, word = names.index(name), oracle.EVENTS[what]
        assert (name, index, word) in set(oracle.possible(one, walk))
        then = oracle.happen(one, walk, index, word)
        bad = oracle.breaks(one, walk, then, index)
        assert bad == (broken if number == len(trace) else "")
        walk = then
