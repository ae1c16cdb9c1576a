"""``${NAME}`` in environment files: values of variables, and references to secrets.

A secret field keeps its reference and nothing is looked up for it. Everywhere else the variable's
value is put in. A variable that holds a secret cannot be used there (promise no-secret-leaves).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from rollback.loading.complaints import kind_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rollback.errors import Complaint
    from rollback.loading.document import Document, Tree
    from rollback.loading.shape import Shape

Path = tuple[str | int, ...]

_REFERENCE = re.compile(r"\$\{([^}]*)\}?")
_WHOLE = re.compile(r"\$\{([A-Z][A-Z0-9_]{0,99})\}")
_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,99}")
_DIGITS = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_SECRET_NAME = re.compile(r"(^|_)(KEY|SECRET|TOKEN|PASSWORD|PASSPHRASE|CONNECTION_STRING|SAS)$")
_PLACEHOLDER: Final = "${UNREAD}"


@dataclass(slots=True)
class Substitution:
    """One pass over a document: secrets kept as references, other variables replaced.

    substituted: places whose value came from a variable.
    """

    document: Document
    variables: Mapping[str, str]
    complaints: list[Complaint] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)

    def apply(self, shape: Shape) -> Tree:
        """The tree with variables replaced. Mappings of free keys become lists of pairs."""
        self._find_secrets(self.document.value, shape)
        return self._walk(self.document.value, shape, ())

    def _find_secrets(self, value: Tree, shape: Shape) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                self._find_secrets(inner, shape.inside(key))
        elif isinstance(value, list):
            for position, inner in enumerate(value):
                self._find_secrets(inner, shape.inside(position))
        elif shape.kind == "secret" and isinstance(value, str):
            self.secrets.update(_REFERENCE.findall(value))

    def _walk(self, value: Tree, shape: Shape, path: Path) -> Tree:
        if shape.kind == "secret":
            return self._secret(value, path)
        if isinstance(value, dict):
            inner = {
                key: self._walk(one, shape.inside(key), (*path, key)) for key, one in value.items()
            }
            return [[key, one] for key, one in inner.items()] if shape.kind == "pairs" else inner
        if shape.kind == "pairs" and value is not None:
            self._complain(path, f"{kind_of(value)} does not fit", shape.words)
            return []
        if isinstance(value, list):
            return [
                self._walk(one, shape.inside(position), (*path, position))
                for position, one in enumerate(value)
            ]
        if isinstance(value, str) and "${" in value:
            return self._text(value, shape, path)
        return value

    def _secret(self, value: Tree, path: Path) -> Tree:
        """Promise no-secret-leaves: a literal secret is refused, and not repeated."""
        if value is None or (isinstance(value, str) and _WHOLE.fullmatch(value)):
            return value
        self._complain(
            path,
            "no-secret-leaves: a secret is written here as a value",
            "a reference, ${NAME}; take the value out of the file and change the secret",
        )
        return _PLACEHOLDER

    def _text(self, value: str, shape: Shape, path: Path) -> Tree:
        good = True
        for match in _REFERENCE.finditer(value):
            good = self._usable(match, path) and good
        if not good:
            return _stand_in(shape)
        text = _WHOLE.sub(lambda match: self.variables[match[1]], value)
        if shape.kind == "boolean":
            return {"true": True, "false": False}.get(text.strip().lower(), text)
        if shape.kind in ("integer", "duration") and _DIGITS.fullmatch(text.strip()):
            return int(text)
        return text

    def _usable(self, match: re.Match[str], path: Path) -> bool:
        name = match[1]
        if not match[0].endswith("}") or not _NAME.fullmatch(name):
            self._complain(path, "not a reference to a variable", "${NAME}, in capitals")
            return False
        if name in self.secrets or _SECRET_NAME.search(name):
            self._complain(
                path,
                f"no-secret-leaves: the variable {name} holds a secret",
                "a variable that holds none: the value of this field is shown in plans",
            )
            return False
        if not self.variables.get(name):
            how = "empty" if name in self.variables else "not set"
            self._complain(path, f"the variable {name} is {how}", f"a value for {name}")
            return False
        return True

    def _complain(self, path: Path, problem: str, expected: str) -> None:
        self.complaints.append(self.document.complaint(path, problem, expected))


def as_written(tree: Tree, shape: Shape) -> Tree:
    """The tree after `Substitution.apply`, with its lists of pairs as the mappings they were.

    What the rules of an environment are held against: a variable hides nothing from them.
    """
    if shape.kind == "pairs" and isinstance(tree, list):
        return {key: as_written(one, shape.inside(key)) for key, one in tree}
    if isinstance(tree, dict):
        return {key: as_written(one, shape.inside(key)) for key, one in tree.items()}
    if isinstance(tree, list):
        return [as_written(one, shape.inside(at)) for at, one in enumerate(tree)]
    return tree


def _stand_in(shape: Shape) -> Tree:
    """Something in the place of a value that could not be had; its place is complained of."""
    return {"boolean": False, "integer": 1, "duration": 1}.get(shape.kind, _PLACEHOLDER)
