"""Limits, pairs of versions that exclude each other, and the network."""

from typing import Annotated

from pydantic import Field

from rollback.model.base import Frozen, Seconds
from rollback.model.environment.texts import Address, Url
from rollback.model.release import Build
from rollback.model.steps import SurfaceName


class Policy(Frozen):
    """Limits, each with its unit in its name. Rehearsals shorten them; the meaning stays."""

    plan_age_s_max: Seconds = 3600
    swap_s_max: Seconds = 900
    busy_s_max: Seconds = 900
    poll_s: Seconds = 5
    quiet_s: Seconds = 30
    settle_s: Seconds = 30
    bake_s: Seconds = 300
    probe_timeout_s: Seconds = 10
    volatile_s_max: Annotated[Seconds, Field(ge=1, le=60)] = 60
    steps_at_once_max: Annotated[int, Field(ge=1, le=64)] = 4
    confirm_s_max: Seconds = 1800


class Pair(Frozen):
    """A pair of versions that must not be live together (compatibility table)."""

    surface: SurfaceName
    build: Build
    other_surface: SurfaceName
    other_build: Build
    because: str = ""


class Network(Frozen):
    """How hosts are reached. resolve: host to ``address:port``, for rehearsals.

    proxy: used only when named here; proxy variables of the process are ignored.
    """

    resolve: tuple[tuple[str, Address], ...] = ()
    ca_file: str | None = None
    proxy: Url | None = None
