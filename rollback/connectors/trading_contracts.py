"""The backend's contracts, read strictly: a wrong type is no state at all."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rollback.errors import ConnectorError

M = TypeVar("M", bound=BaseModel)


class FlagContract(BaseModel):
    """One feature flag."""

    model_config = ConfigDict(strict=True, extra="ignore")
    enabled: bool
    since: str = ""


class FlagsContract(BaseModel):
    """``GET /api/feature-flags``, version 1 (row F1)."""

    model_config = ConfigDict(strict=True, extra="forbid")
    flags: dict[str, FlagContract]
    schema_version: int = Field(alias="schema", ge=1, le=1)


class HaltedContract(BaseModel):
    """Whether one scope is halted, by whom, since when."""

    model_config = ConfigDict(strict=True, extra="ignore")
    halted: bool
    by: str | None = None
    at: str | None = None


class ControlContract(BaseModel):
    """``GET /api/control/trading``."""

    model_config = ConfigDict(strict=True, extra="ignore")
    everywhere: HaltedContract = Field(alias="global")
    tenants: dict[str, HaltedContract]
    strategies: dict[str, HaltedContract]
    etag: str | None = None
    schema_version: int | None = Field(default=None, alias="schema", gt=-(2**53), lt=2**53)


def strictly(model: type[M], body: bytes, what: str) -> M:
    """The body as the model. Raises ConnectorError where it has another form."""
    try:
        return model.model_validate_json(body)
    except ValidationError:
        problem = unreadable(what)
    raise problem


def unreadable(what: str) -> ConnectorError:
    """The error for an answer that has not the agreed form."""
    return ConnectorError(
        "trading-backend.unreadable", f"{what} do not have the agreed form", transient=False
    )
