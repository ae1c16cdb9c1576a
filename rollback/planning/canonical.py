"""The one form of a document that is digested: RFC 8785 JSON, SHA-256.

Equal values give equal bytes whatever the field order, locale or hash seed. Floats cannot occur in
the models, and integers from 2^53 up are refused.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import orjson
import rfc8785

if TYPE_CHECKING:
    from pydantic import BaseModel

_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER


def canonical(value: BaseModel | dict[str, Any] | list[Any]) -> bytes:
    """The RFC 8785 form of a model or of plain JSON values.

    Of a model, orjson's sorted form is that form, and takes a tenth of the time: its keys are
    names of fields, in ASCII, and it holds no floats. What orjson refuses, rfc8785 names.
    """
    if isinstance(value, dict | list):
        return rfc8785.dumps(value)
    plain = value.model_dump(mode="json")
    try:
        return orjson.dumps(plain, option=_OPTIONS)
    except orjson.JSONEncodeError:
        return rfc8785.dumps(plain)


def sha256_hex(data: bytes) -> str:
    """SHA-256 in lower-case hex."""
    return hashlib.sha256(data).hexdigest()


def digest(value: BaseModel | dict[str, Any] | list[Any]) -> str:
    """The digest of a value's canonical form."""
    return sha256_hex(canonical(value))
