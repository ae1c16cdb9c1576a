"""Tables of fields for the reference pages, and the schema files beside them.

``python -m rollback.loading.reference docs/reference`` writes both anew. A page holds a line
``<!-- fields: Model -->``; the table of that model stands between it and ``<!-- end -->``.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from rollback.loading.schema import environment_schema, plan_schema, playbook_schema, text_of
from rollback.loading.shape import Shape, shape_of
from rollback.loading.words import FIELD_WORDS
from rollback.model.environment import Environment
from rollback.model.playbook import Parameter, Playbook, Step
from rollback.model.steps import BUILT_IN

PAGES: Final = ("playbook-file.md", "environment-file.md")
"""The pages whose tables are written here."""

_TABLE = re.compile(r"(<!-- fields: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def with_tables(page: str) -> str:
    """The page with every table written anew."""
    models = _models()
    return _TABLE.sub(lambda found: found[1] + _table(models[found[2]]) + found[3], page)


def write(folder: Path) -> None:
    """Write the pages' tables and the schema files under `folder`."""
    for name in PAGES:
        page = folder / name
        page.write_text(with_tables(page.read_text(encoding="utf-8")), encoding="utf-8")
    schemas = {
        "playbook": playbook_schema(),
        "environment": environment_schema(),
        "plan": plan_schema(),
    }
    for name, schema in schemas.items():
        (folder / "schema" / f"{name}.json").write_text(text_of(schema), encoding="utf-8")


def _models() -> dict[str, type[BaseModel]]:
    found: dict[str, type[BaseModel]] = {}

    def below(shape: Shape) -> None:
        found.update({model.__name__: model for model in shape.models})
        for inner in (*(inner for _, inner in shape.fields), *([shape.item] if shape.item else [])):
            below(inner)

    for model in (Environment, Playbook, Parameter, Step, *BUILT_IN):
        below(shape_of(model))
    return found


def _table(model: type[BaseModel]) -> str:
    shape = shape_of(model)
    lines = ["| field | default | meaning |", "|---|---|---|"]
    for name in shape.names:
        words = FIELD_WORDS.get(f"{model.__name__}.{name}")
        if words:
            words = words.replace("|", "\\|")
            lines.append(f"| `{name}` | {_default(model, name)} | {words} |")
    return "\n".join(lines) + "\n"


def _default(model: type[BaseModel], name: str) -> str:
    default: Any = model.model_fields[name].default
    if default is PydanticUndefined:
        return "required"
    if default in (None, (), ""):
        return ""
    if isinstance(default, BaseModel):
        return "its own defaults"
    if isinstance(default, tuple):
        return f"`[{', '.join(str(one) for one in default)}]`"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


if __name__ == "__main__":
    write(Path(sys.argv[1]))
