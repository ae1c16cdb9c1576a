"""Environment files: one typed file, with ``${NAME}`` for what differs and for every secret.

The grammar is in docs/reference/environment-file.md. Secrets are never looked up here.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from pydantic import ValidationError

from rollback.loading.complaints import from_validation, kind_of, unknown_key
from rollback.loading.document import read_document
from rollback.loading.files import BYTES_MAX, read_bytes, refused
from rollback.loading.rules import broken_rules
from rollback.loading.shape import shape_of
from rollback.loading.variables import Substitution, as_written
from rollback.model import environment as model

if TYPE_CHECKING:
    from collections.abc import Mapping

_WHAT: Final = "environment"


class Environment(model.Environment):
    """An environment that knows how to read itself from a file."""

    @classmethod
    def load(cls, path: str | os.PathLike[str], variables: Mapping[str, str] | None = None) -> Self:
        """Read a file. variables: for ``${NAME}``; the process's own where None.

        Raises InputError with every complaint; no complaint repeats a value that may be a secret.
        """
        data = read_bytes(path, BYTES_MAX, what=_WHAT)
        base = str(Path(path).absolute().parent)
        return cls.read(data, variables, file=os.fspath(path), base=base)

    @classmethod
    def read(
        cls,
        text: str | bytes,
        variables: Mapping[str, str] | None = None,
        *,
        file: str = "<text>",
        base: str = ".",
    ) -> Self:
        """Read text. base: the folder that relative paths of the file start from."""
        document = read_document(text, file, what=_WHAT)
        shape = shape_of(model.Environment)
        if not isinstance(document.value, dict):
            problem = f"{kind_of(document.value)} where an environment was expected"
            raise refused(_WHAT, (document.complaint((), problem, "environment: NAME ..."),))
        pass_ = Substitution(document, os.environ if variables is None else variables)
        tree = pass_.apply(shape)
        complaints = list(pass_.complaints)
        complaints += [
            unknown_key(document, (name,), shape)
            for name in document.value
            if name in model.Environment.model_fields and name not in shape.names
        ]
        complaints += [
            document.complaint(*broken) for broken in broken_rules(as_written(tree, shape))
        ]
        try:
            value = cls.model_validate_json(json.dumps(tree), strict=True)
        except ValidationError as problem:
            said = tuple(complaint.path for complaint in complaints)
            complaints += [
                complaint
                for complaint in from_validation(problem, document, shape, value=document.value)
                if not _said_before(complaint.path, said)
            ]
            value = None
        if value is None or complaints:
            raise refused(_WHAT, tuple(complaints))
        return value.model_copy(update={"base": base, "source": file})


def _said_before(path: str, said: tuple[str, ...]) -> bool:
    """Whether a complaint of the rules says more about this place, or about what is in it."""
    if not path:
        return bool(said)
    return any(other == path or other.startswith((f"{path}.", f"{path}[")) for other in said)


def load_environment(
    path: str | os.PathLike[str], variables: Mapping[str, str] | None = None
) -> Environment:
    """Load an environment file: `Environment.load` as a function."""
    return Environment.load(path, variables)
