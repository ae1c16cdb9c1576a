"""What was seen, and the folded world that later steps are planned against."""

from __future__ import annotations

from rollback.model.base import Fact, Facts, Frozen, Instant, Value


class Observation(Frozen):
    """A read-only look at one resource.

    resource: stable address inside the environment, like ``backend/slot/staging``.
    compared: facts whose change is drift. context: recorded only (etags, counts, times).
    where: the host and path asked. Facts are held in name order.
    complete: False where something could not be read; `gaps` says what.
    """

    resource: str
    compared: Facts = ()
    context: Facts = ()
    where: str = ""
    at: Instant
    gaps: tuple[str, ...] = ()

    def get(self, name: str, default: Value = None) -> Value:
        """The value of a compared or context fact."""
        for fact in (*self.compared, *self.context):
            if fact.name == name:
                return fact.value
        return default


class Prediction(Frozen):
    """Compared facts that a change, once applied, is declared to give a resource."""

    resource: str
    compared: Facts


class World(Frozen):
    """Observations by resource, plus the declared results of earlier steps."""

    observations: tuple[Observation, ...] = ()

    def find(self, resource: str) -> Observation | None:
        """The observation of a resource, or None where nobody looked."""
        for seen in self.observations:
            if seen.resource == resource:
                return seen
        return None

    def get(self, resource: str, name: str, default: Value = None) -> Value:
        """One fact of one resource; `default` where it was not seen."""
        seen = self.find(resource)
        return default if seen is None else seen.get(name, default)

    def under(self, prefix: str) -> tuple[Observation, ...]:
        """All observations whose resource starts with `prefix`."""
        return tuple(seen for seen in self.observations if seen.resource.startswith(prefix))

    def fold(self, predictions: tuple[Prediction, ...]) -> World:
        """The world as predicted: the named facts replaced, everything else as seen."""
        by_resource: dict[str, dict[str, Value]] = {}
        for prediction in predictions:
            by_resource.setdefault(prediction.resource, {}).update(
                {fact.name: fact.value for fact in prediction.compared}
            )
        folded = []
        for seen in self.observations:
            over = by_resource.get(seen.resource)
            if over is None:
                folded.append(seen)
                continue
            values = {fact.name: fact.value for fact in seen.compared} | over
            compared = tuple(Fact(name=name, value=values[name]) for name in sorted(values))
            folded.append(seen.model_copy(update={"compared": compared}))
        return World(observations=tuple(folded))
