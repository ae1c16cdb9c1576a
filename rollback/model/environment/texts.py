"""Texts of an environment file: references to secrets, addresses, hosts, paths."""

import re
from typing import Annotated

from pydantic import BeforeValidator, Field, PlainSerializer

from rollback.model.addresses import HOST, REACHED_AT, URL
from rollback.model.base import Frozen

_REFERENCE = re.compile(r"\$\{([A-Z][A-Z0-9_]{0,99})\}")


class Secret(Frozen):
    """A reference to a secret, never its value."""

    variable: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,99}$")]


def _reference(value: object) -> object:
    if isinstance(value, str):
        match = _REFERENCE.fullmatch(value)
        if match is None:
            msg = "a secret is written as a reference, ${NAME}, never as a value"
            raise ValueError(msg)
        return Secret(variable=match[1])
    return value


SecretRef = Annotated[
    Secret,
    BeforeValidator(_reference, json_schema_input_type=str),
    PlainSerializer(lambda secret: "${" + secret.variable + "}", return_type=str),
]
"""Written ``${NAME}`` in files and in every output."""

Url = Annotated[str, Field(pattern=URL)]
"""An address without user, query or fragment."""

Host = Annotated[str, Field(pattern=HOST)]
Address = Annotated[str, Field(pattern=REACHED_AT)]
"""Where a host is reached instead: a name or a number, and the port."""

UrlPath = Annotated[str, Field(pattern=r"^/[^\s#]*$")]
