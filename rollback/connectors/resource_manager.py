"""Resource Manager itself: one client, reads asked again, operations looked at, any resource.

What is known of App Service stands in `app_service`; here is what holds for every provider.
"""

from __future__ import annotations

import re
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import SplitResult, urlencode, urlsplit

from rollback.connectors import app_service_views as views
from rollback.connectors.azure_pipeline import LIMITS, azure_failure, policies
from rollback.connectors.crossing import Border, Failure
from rollback.connectors.reading import read_again
from rollback.connectors.together import one_by_one
from rollback.connectors.values import at, flat, parsed, text
from rollback.model.views import OperationState, OperationView

if TYPE_CHECKING:
    from collections.abc import Callable

    from azure.core.credentials import TokenCredential
    from azure.mgmt.web import WebSiteManagementClient

    from rollback.connectors.together import ReadTogether
    from rollback.model.base import Facts
    from rollback.model.ports import Clock, Grant, Principal, RefusalLatch

T = TypeVar("T")

ITEMS_MAX = 5_000
ANSWER_BYTES_MAX = 16 * 2**20
TRIES = 3

_OF_WEB = re.compile(r"^(?!.*//)(?!.*/providers/(?!microsoft\.web/))", re.IGNORECASE)
_OPERATION = re.compile(r"/(operationresults|operations)/", re.IGNORECASE)


def _failure(error: Exception) -> Failure | None:
    from azure.core.exceptions import HttpResponseError

    if isinstance(error, HttpResponseError) and error.response is not None:
        return views.refused_by_arm(int(error.response.status_code or 0), _body(error.response))
    return azure_failure(error)


def _parts(address: str) -> SplitResult | None:
    """An address that the service gave; None for what is none."""
    try:
        return urlsplit(address)
    except ValueError:
        return None


def _body(response: Any) -> bytes:
    try:
        return bytes(response.body())
    except Exception:  # noqa: BLE001 - an unread or broken answer says nothing more
        return b""


class ResourceManager:
    """One subscription at one host, for one scope."""

    def __init__(  # noqa: PLR0913 (every part is passed in)
        self,
        *,
        subscription: str,
        host: str,
        credential: TokenCredential,
        transport: Any,
        latch: RefusalLatch,
        clock: Clock,
        digest_key: bytes,
        tries: int = TRIES,
        together: ReadTogether = one_by_one,
    ) -> None:
        """transport: of azure-core, guarded. digest_key: a secret of the run, for settings.

        together: what may be read side by side; without it, one after another.
        """
        self._subscription = subscription
        self._host = host
        self._credential = credential
        self._transport = transport
        self._border = Border("app-service", latch, _failure)
        self._clock = clock
        self._digest_key = digest_key
        self._tries = tries
        self._together = together

    def operation(self, location: str) -> OperationView:
        """One look at a long-running operation; its place is pinned to Resource Manager's host."""
        doing = "looking at an operation"
        self._pinned(location, doing)
        status, body, headers = self._read(doing, lambda: self._get(location, doing))
        if status == HTTPStatus.ACCEPTED:
            following = headers.get("Location") or location
            self._pinned(following, doing)
            return OperationView(state=OperationState.RUNNING, location=following)
        if status in {200, 201, 204}:
            return OperationView(state=OperationState.DONE)
        if status in {404, 410}:
            return OperationView(state=OperationState.GONE, message="the operation is not known")
        failure = views.refused_by_arm(status, body)
        if status in {401, 403} or (failure.transient and failure.code != "busy"):
            raise self._border.error(failure, doing)
        return OperationView(state=OperationState.FAILED, message=failure.what)

    def permissions(self, scope: str) -> tuple[Grant, ...]:
        """Effective permissions of our identity over a scope (a Resource Manager path)."""
        path = f"{scope}/providers/Microsoft.Authorization/permissions?api-version=2022-04-01"
        items = self._pages(f"reading permissions over {scope.rpartition('/')[2]}", path)
        return views.grants(items)

    def principal(self) -> Principal:
        """Who our token says we are. One that says nothing readable gives an empty principal."""
        doing = "asking for a token"
        token = self._read(
            doing, lambda: self._credential.get_token(f"https://{self._host}/.default").token
        )
        return views.principal(token)

    def resource(self, path: str, api_version: str) -> Facts:
        """Any resource as flat facts."""
        doing = f"reading {path.rpartition('/')[2]}"
        return flat(self._document(doing, f"{path}?{urlencode({'api-version': api_version})}"))

    def close(self) -> None:
        """Close connections."""
        if "_client" in self.__dict__:
            self._client.close()

    @cached_property
    def _client(self) -> WebSiteManagementClient:
        from azure.mgmt.web import WebSiteManagementClient

        return WebSiteManagementClient(
            self._credential,
            self._subscription,
            base_url=f"https://{self._host}",
            policies=policies(self._credential, self._host),
            transport=self._transport,
        )

    @property
    def _apps(self) -> Any:
        return self._client.web_apps

    def _read(self, doing: str, read: Callable[[], T]) -> T:
        def once() -> T:
            with self._border.crossing(doing):
                return read()

        return read_again(once, self._clock, tries=self._tries)

    def _pinned(self, location: str, doing: str) -> None:
        path = self._path_here(location)
        if not (_OPERATION.search(path) and _OF_WEB.search(path)):
            what = "the operation's place is not one of this subscription's operations"
            raise self._border.error(Failure("wrong-place", what, transient=False), doing)

    def _path_here(self, address: str) -> str:
        """The path of an address below this subscription; empty for any other place."""
        parts = _parts(address)
        under = f"/subscriptions/{self._subscription}/".lower()
        here = parts is not None and (
            parts.scheme == "https"
            and parts.netloc.lower() in {self._host, f"{self._host}:443"}
            and parts.path.lower().startswith(under)
        )
        return parts.path if here and parts is not None else ""

    def _get(self, url: str, doing: str) -> tuple[int, bytes, Any]:
        from azure.core.rest import HttpRequest

        response = self._client.send_request(HttpRequest("GET", url), **LIMITS)  # type: ignore[arg-type]
        body = response.content
        if len(body) > ANSWER_BYTES_MAX:
            raise self._border.error(
                Failure("too-large", "the answer is too large", transient=False), doing
            )
        return response.status_code, body, response.headers

    def _document(self, doing: str, url: str) -> Any:
        def read() -> Any:
            status, body, _ = self._get(url, doing)
            if status != HTTPStatus.OK:
                raise self._border.error(views.refused_by_arm(status, body), doing)
            return parsed(body)

        return self._read(doing, read)

    def _fits(self, count: int, doing: str) -> None:
        """Raise ConnectorError where a list is too long: what is left out is not known then."""
        if count > ITEMS_MAX:
            what = f"there are more than {ITEMS_MAX:,} of them"
            raise self._border.error(Failure("too-large", what, transient=False), doing)

    def _follow(self, page: str, seen: set[str], doing: str) -> None:
        """Raise ConnectorError where a next page is elsewhere, was read, or is one too many."""
        if not self._path_here(page):
            what = "its next page is not one of this subscription's"
            raise self._border.error(Failure("wrong-place", what, transient=False), doing)
        if page in seen:
            what = "its next page is one that was read"
            raise self._border.error(Failure("unreadable", what, transient=False), doing)
        seen.add(page)
        self._fits(len(seen), doing)

    def _pages(self, doing: str, path: str) -> list[Any]:
        """Every item of a list. Raises ConnectorError where it does not come to its end."""
        found: list[Any] = []
        seen: set[str] = set()
        while path:
            document = self._document(doing, path)
            items = at(document, "value")
            if not isinstance(items, list):
                what = "a page of it holds no list"
                raise self._border.error(Failure("unreadable", what, transient=False), doing)
            found += items
            self._fits(len(found), doing)
            if path := text(document, "nextLink"):
                self._follow(path, seen, doing)
        return found
