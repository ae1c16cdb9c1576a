"""The border with foreign code: what comes out of an SDK becomes one of our errors, or a refusal.

Three rules, kept here for every connector. A refusal of the guard, and any error of ours, comes
out untouched however deep an SDK wrapped it; one that was swallowed is raised from the latch.
Everything else becomes a `ConnectorError`. What a foreign exception says may quote a provider's
answer, and an answer may hold a secret: only its type and our own words go further.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from rollback.errors import ConnectorError, GuardRefusal, RollbackError

if TYPE_CHECKING:
    from rollback.model.ports import RefusalLatch
    from rollback.model.scope import GuardVerdict

_DEPTH_MAX = 20


@dataclass(frozen=True, slots=True)
class Failure:
    """What a connector makes of a foreign exception. what: completes ``<system>: <what>``."""

    code: str
    what: str
    transient: bool
    status: int | None = None
    hint: str = ""


class ForeignError(Exception):
    """Stands in the chain for a foreign exception: its type, and nothing that it says."""


Reading = Callable[[Exception], Failure | None]
"""Turns the exceptions a connector knows into a failure; None for the others."""


def no_reading(error: Exception) -> Failure | None:
    """Know no exception: everything becomes the general failure."""
    del error
    return None


@dataclass(frozen=True, slots=True)
class Border:
    """Where one connector meets one outside system."""

    system: str
    latch: RefusalLatch
    read: Reading = no_reading

    @contextmanager
    def crossing(self, doing: str) -> Iterator[None]:
        """Run foreign code. doing: for messages, like ``reading slot trading-web/staging``.

        Raises GuardRefusal when the guard refused a request inside, else ConnectorError for
        whatever went wrong.
        """
        before = self.latch.tripped()
        raised: RollbackError | None = None
        try:
            yield
        except RollbackError as error:
            raised = error
        except Exception as error:  # noqa: BLE001 - everything foreign is translated here
            raised = ours(error) or self._translated(error, doing)
        after = self.latch.tripped()
        if before is None and after is not None and not isinstance(raised, GuardRefusal):
            raise refusal(after)
        if raised is not None:
            raise raised

    def _translated(self, error: Exception, doing: str) -> ConnectorError:
        kind = f"{type(error).__module__}.{type(error).__qualname__}"
        failure = self.read(error) or Failure(
            code="failed", what=f"failed with {type(error).__name__}", transient=False
        )
        translated = self.error(failure, doing)
        translated.__cause__ = ForeignError(kind).with_traceback(error.__traceback__)
        return translated

    def error(self, failure: Failure, doing: str) -> ConnectorError:
        """The error of a failure that is known without an exception."""
        return ConnectorError(
            f"{self.system}.{failure.code}",
            f"{doing}: {failure.what}",
            transient=failure.transient,
            status=failure.status,
            hint=failure.hint,
        )


def refusal(verdict: GuardVerdict) -> GuardRefusal:
    """The refusal that a latched verdict stands for."""
    return GuardRefusal(
        f"guard.{verdict.rule}",
        "; ".join(verdict.reasons),
        hint="nothing left the process; the plan does not permit this request",
        promise=verdict.promise,
    )


def ours(error: BaseException) -> RollbackError | None:
    """An error of ours inside a foreign one, however it was wrapped; a refusal comes first."""
    found: RollbackError | None = None
    for current in chain(error):
        if isinstance(current, GuardRefusal):
            return current
        if isinstance(current, RollbackError):
            found = found or current
    return found


def chain(error: BaseException) -> Iterator[BaseException]:
    """An exception and all that it wraps, however it does; at most `_DEPTH_MAX` of them."""
    waiting: list[object] = [error]
    seen: set[int] = set()
    while waiting and len(seen) < _DEPTH_MAX:
        current = waiting.pop()
        if not isinstance(current, BaseException) or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        waiting += [current.__cause__, current.__context__]
        waiting += [getattr(current, name, None) for name in ("inner_exception", "exc_value")]
        waiting += [arg for arg in current.args if isinstance(arg, BaseException)]


def is_success(status: int) -> bool:
    """True for the statuses that say it was done (200 to 299)."""
    return HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES


def by_status(status: int) -> Failure:
    """What an unwelcome HTTP status means, where nothing more is known."""
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Failure("throttled", "the service is throttling (429)", transient=True, status=429)
    if status in {401, 403}:
        what = f"the credential was not accepted ({status})"
        hint = "check the identity, its role and its secret"
        return Failure("denied", what, transient=False, status=status, hint=hint)
    if status == HTTPStatus.NOT_FOUND:
        return Failure("not-found", "there is no such thing (404)", transient=False, status=404)
    if status in {408, 500, 502, 503, 504}:
        what = f"the service failed ({status})"
        return Failure("unavailable", what, transient=True, status=status)
    return Failure("refused", f"answered {status}", transient=False, status=status)
