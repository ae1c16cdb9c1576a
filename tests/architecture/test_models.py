from importlib import import_module
from pkgutil import walk_packages

import rollback
from rollback.model.base import Frozen


def _kinds(base: type[Frozen]) -> set[type[Frozen]]:
    return {base}.union(*(_kinds(kind) for kind in base.__subclasses__()))


def test_every_model_can_be_built_though_it_is_only_when_first_used() -> None:
    for module in walk_packages(rollback.__path__, "rollback."):
        if not module.name.startswith("rollback.rehearsal") and not module.name.endswith("__main__"):
            import_module(module.name)
    kinds = {kind for kind in _kinds(Frozen) if kind.__module__.startswith("rollback.")}
    assert len(kinds) > 100
    for kind in kinds:
        kind.model_rebuild()
        assert kind.__pydantic_complete__, kind
