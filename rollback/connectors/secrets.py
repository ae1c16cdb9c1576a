"""Secrets from a mapping of variables (the process's own, where the caller says so).

Resolved late, never kept in a model; every value given out is blotted from texts afterwards.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

from rollback.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rollback.model.environment import Secret

BLOT = "[secret]"
_SHORTEST = 4


@dataclass(slots=True)
class VariableSecrets:
    """The implementation of `SecretSource`. Safe to use from several threads."""

    variables: Mapping[str, str] = field(repr=False)
    _forms: frozenset[str] = field(default=frozenset(), repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def get(self, secret: Secret) -> str:
        """The value. Raises InputError naming the variable where it is not set or empty."""
        value = self.variables.get(secret.variable, "")
        if not value:
            code, reason = "secret.missing", f"the variable {secret.variable} is not set"
            raise InputError(code, reason, hint=f"set {secret.variable} and try again")
        with self._lock:
            self._forms |= frozenset(_forms(value))
        return value

    def redact(self, text: str) -> str:
        """The text with every value given out, in any of its written forms, blotted out."""
        for form in sorted(self._forms, key=len, reverse=True):
            text = text.replace(form, BLOT)
        return text


def _forms(value: str) -> Iterator[str]:
    """The ways a value may stand in a text: raw, URL, JSON, base64 at each of three offsets."""
    raw = value.encode()
    seen = {value, quote(value), quote(value, safe=""), quote_plus(value)}
    seen |= {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
    seen |= {repr(value)[1:-1], raw.hex()}
    for offset in range(3):
        seen |= set(_in_base64(raw, offset))
    yield from (form for form in seen if len(form) >= _SHORTEST or form == value)


def _in_base64(raw: bytes, offset: int) -> Iterator[str]:
    """The part of base64 that only the value decides, wherever in a longer text it began."""
    encoded = base64.b64encode(b"\0" * offset + raw)
    start = (0, 2, 3)[offset]
    end = (offset + len(raw)) * 8 // 6
    for whole in (encoded, encoded.translate(bytes.maketrans(b"+/", b"-_"))):
        part = whole[start:end].decode()
        if len(part) >= 2 * _SHORTEST:
            yield part
