"""The shape of a model as a person writes it: which fields there are, and what each one takes.

Files say a little less than models and say it more readably: a tuple of (name, value) pairs is
written as a mapping, a secret as a reference. The shape is read off the model's own annotations,
so that a field added to a model needs no second list here.
"""

from __future__ import annotations

import types
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator

from rollback.model.base import seconds

if TYPE_CHECKING:
    from collections.abc import Iterable

ShapeKind = Literal["fields", "pairs", "list", "secret", "boolean", "integer", "duration", "other"]


@dataclass(frozen=True, slots=True)
class Shape:
    """What may stand at one place of a file.

    fields: of a mapping with fixed keys; required: those without a default. item: of a list, or
    of the values of a mapping with free keys (pairs).
    """

    kind: ShapeKind
    fields: tuple[tuple[str, Shape], ...] = ()
    required: tuple[str, ...] = ()
    item: Shape | None = None
    models: tuple[type[BaseModel], ...] = field(default=(), repr=False)

    def inside(self, part: str | int) -> Shape:
        """The shape of an entry; `OTHER` where there is none."""
        if self.kind == "fields":
            return next((shape for name, shape in self.fields if name == part), OTHER)
        return self.item or OTHER

    def at(self, path: tuple[str | int, ...]) -> Shape:
        """The shape at a path below this one."""
        shape = self
        for part in path:
            shape = shape.inside(part)
        return shape

    @property
    def title(self) -> str:
        """The model's name; of several, the first."""
        return self.models[0].__name__ if self.models else ""

    @property
    def names(self) -> tuple[str, ...]:
        """The keys a mapping with fixed keys may have."""
        return tuple(name for name, _ in self.fields)

    @property
    def words(self) -> str:
        """What is expected here, in words."""
        match self.kind:
            case "fields":
                return f"a mapping with {', '.join(self.required or self.names)}"
            case "pairs":
                return "a mapping of name: value"
            case "list":
                return "a list"
            case "secret":
                return "a reference to a secret, ${NAME}"
            case "boolean":
                return "true or false"
            case "integer":
                return "a whole number"
            case "duration":
                return "a duration like 90s, 5m, 24h, 2d, or whole seconds"
            case "other":
                return "a value"


OTHER = Shape("other")
DURATION = Shape("duration")


@cache
def shape_of(model: type[BaseModel]) -> Shape:
    """The shape of a model. Fields left out of files (`exclude`) are left out here."""
    written = {name: info for name, info in model.model_fields.items() if not info.exclude}
    return Shape(
        "fields",
        fields=tuple(
            (name, _shape(info.annotation, info.metadata)) for name, info in written.items()
        ),
        required=tuple(name for name, info in written.items() if info.is_required()),
        models=(model,),
    )


def _shape(annotation: Any, metadata: Iterable[Any] = ()) -> Shape:
    origin = get_origin(annotation)
    if origin is Annotated:
        bare, *notes = get_args(annotation)
        return _shape(bare, notes)
    if any(isinstance(note, BeforeValidator) and note.func is seconds for note in metadata):
        return DURATION
    if origin in (Union, types.UnionType):
        return _union([arm for arm in get_args(annotation) if arm is not type(None)])
    if origin is tuple:
        return _tuple(get_args(annotation))
    if _is_secret(annotation):
        return Shape("secret")
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return shape_of(annotation)
    if annotation is bool:
        return Shape("boolean")
    return Shape("integer") if annotation is int else OTHER


def _is_secret(annotation: Any) -> bool:
    """Told by name: reading a playbook must not build the environment's forty models."""
    return (
        getattr(annotation, "__qualname__", "") == "Secret"
        and getattr(annotation, "__module__", "") == "rollback.model.environment.texts"
    )


def _tuple(args: tuple[Any, ...]) -> Shape:
    first = args[0]
    while get_origin(first) is Annotated:
        first = get_args(first)[0]
    if args[-1] is Ellipsis and get_origin(first) is tuple:
        return Shape("pairs", item=_shape(get_args(first)[1]))
    return Shape("list", item=_shape(args[0]))


def _union(arms: list[Any]) -> Shape:
    shapes = [_shape(arm) for arm in arms]
    if len(shapes) == 1:
        return shapes[0]
    if any(shape.kind != "fields" for shape in shapes):
        return OTHER
    merged = {name: shape for one in shapes for name, shape in one.fields}
    shared = [name for name in shapes[0].names if all(name in one.required for one in shapes)]
    return Shape(
        "fields",
        fields=tuple(merged.items()),
        required=tuple(shared),
        models=tuple(model for one in shapes for model in one.models),
    )
