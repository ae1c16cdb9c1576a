"""Field rules: personal data a fault may have exposed is taken out before it becomes immutable.

A rule is a path of names. ``email`` matches that field anywhere; ``user.email`` one inside a
``user``; ``$.actor.name`` only from the top; ``*`` is any one name. Lists are passed through, and
``[*]`` may be written for them. A redacted value is replaced by a keyed digest, so that two equal
values stay equal in one capture and nothing else can be learned.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass, field

_DIGITS = 16
_ANY = "*"


@dataclass(frozen=True, slots=True)
class _Rule:
    names: tuple[str, ...]
    anchored: bool

    def fits(self, path: tuple[str, ...]) -> bool:
        if len(path) < len(self.names) or (self.anchored and len(path) != len(self.names)):
            return False
        ending = path[len(path) - len(self.names) :]
        return all(
            wanted in (_ANY, name) for wanted, name in zip(self.names, ending, strict=True)
        )


def _rule(written: str) -> _Rule:
    plain = written.strip().replace("[*]", "").replace("[]", "")
    anchored = plain.startswith("$")
    names = tuple(name for name in plain.removeprefix("$").split(".") if name)
    return _Rule(names, anchored)


@dataclass(frozen=True, slots=True)
class Redaction:
    """Field rules with a key of one capture."""

    rules: tuple[str, ...] = ()
    key: bytes = field(default=b"", repr=False)
    _parsed: tuple[_Rule, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Read the rules once; one without a name matches nothing and is left out."""
        parsed = tuple(rule for rule in map(_rule, self.rules) if rule.names)
        object.__setattr__(self, "_parsed", parsed)

    def lines(self, content: bytes) -> bytes:
        """Lines, each with its newline. See `line`."""
        if not self._parsed:
            return content
        return b"\n".join([*map(self.line, content.split(b"\n")[:-1]), b""])

    def line(self, raw: bytes) -> bytes:
        """One JSON value as one line: as it came where no rule applies.

        What is not JSON cannot be searched by name: with rules, only its digest is kept.
        """
        if not self._parsed:
            return raw
        try:
            return _written(self._clean(json.loads(raw), ()))
        except (ValueError, RecursionError):
            return _written({"unreadable": True, "digest": self._digest(raw)})

    def _clean(self, value: object, path: tuple[str, ...]) -> object:
        if isinstance(value, dict):
            return {name: self._field(child, (*path, name)) for name, child in value.items()}
        if isinstance(value, list):
            return [self._clean(child, path) for child in value]
        return value

    def _field(self, value: object, path: tuple[str, ...]) -> object:
        if value is not None and any(rule.fits(path) for rule in self._parsed):
            return f"[redacted {self._digest(_written(value))}]"
        return self._clean(value, path)

    def _digest(self, data: bytes) -> str:
        return hmac.new(self.key, data, hashlib.sha256).hexdigest()[:_DIGITS]


def _written(value: object) -> bytes:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass")


def one_line(raw: bytes) -> bytes:
    """What a source gave, as one line: as it came where it is one."""
    if b"\n" not in raw and b"\r" not in raw:
        return raw
    try:
        return _written(json.loads(raw))
    except (ValueError, RecursionError):
        return _written({"text": raw.decode("utf-8", "replace")})
