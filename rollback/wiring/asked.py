"""How a run is to go, as whoever starts it asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rollback.errors import RollbackError
    from rollback.running.hands import People


@dataclass(frozen=True, slots=True)
class Asked:
    """How a run is to go.

    approvals: the files' bytes. attestations: about what, to ``NAME: WORDS``. said: effect id to
    ``applied`` or ``not-applied``. withheld: why nothing of this sitting moves away from safety.
    """

    approvals: tuple[bytes, ...] = ()
    only_safe: bool = False
    break_glass: str = ""
    attestations: Mapping[str, str] | None = None
    said: Mapping[str, str] | None = None
    people: People | None = None
    progress: Callable[[str, str, str], None] | None = None
    stopping: Callable[[], bool] | None = None
    withheld: RollbackError | None = None
