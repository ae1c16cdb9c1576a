"""The folded world agrees with asking every step, on every small plan."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from rollback.model.base import facts
from rollback.model.change import Update
from rollback.model.observation import Observation, Prediction, World
from rollback.model.plan import PlannedStep
from rollback.planning.folded import Folded
from tests.planning import dumb_fold
from tests.planning.proof.systems import environment, planned, update

AT = datetime(2026, 11, 23, 2, 14, tzinfo=UTC)
RESOURCES = ("web/traffic", "web/slot/production", "backend/slot/production", "nowhere")
PRODUCTION, SLOT = "authority/backend/production", "authority/backend/staging"
SEEN = World(
    observations=(
        *(
            Observation(resource=name, compared=facts(value="seen"), at=AT)
            for name in RESOURCES[:3]
        ),
        *(
            Observation(
                resource=name,
                context=facts(verdict="retained", strength="strong", builds=(build,)),
                at=AT,
            )
            for name, build in ((PRODUCTION, "bad"), (SLOT, "stable"))
        ),
    )
)
ENVIRONMENT = environment()


@st.composite
def changes(draw: st.DrawFn, step: int) -> tuple[Update, ...]:
    """Up to two updates that predict something, or move users of the backend, or do neither."""
    made = []
    for number in range(draw(st.integers(0, 2))):
        predicts = tuple(
            Prediction(resource=name, compared=facts(value=f"{step}.{number}"))
            for name in draw(st.lists(st.sampled_from(RESOURCES), max_size=2, unique=True))
        )
        to = draw(st.sampled_from((None, "stable", "bad")))
        one = update(f"u{number}", surface=draw(st.sampled_from(("web", "backend"))), to=to)
        made.append(one.model_copy(update={"predicts": predicts}))
    return tuple(made)


@given(st.data())
def test_it_agrees_with_asking_every_step(data: st.DataObject) -> None:
    folded = Folded(SEEN, ENVIRONMENT)
    steps: list[PlannedStep] = []
    waits: dict[str, tuple[str, ...]] = {}
    for number in range(data.draw(st.integers(0, 6))):
        name = f"step-{number}"
        known = [step.name for step in steps]
        after = tuple(data.draw(st.sets(st.sampled_from(known), max_size=2))) if known else ()
        resources = tuple(data.draw(st.sets(st.sampled_from(RESOURCES), max_size=2)))
        waits[name] = dumb_fold.edges(steps, waits, after, resources)
        assert folded.begin(name, after, resources) == waits[name]
        expected = dumb_fold.world_before(SEEN, steps, waits, name, ENVIRONMENT)
        assert folded.world_before(name) == expected
        assert folded.updates_before(name) == dumb_fold.updates_before(steps, waits, name)
        steps.append(planned(name, *data.draw(changes(number)), after=waits[name]))
        folded.end(steps[-1])
