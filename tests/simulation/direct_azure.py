"""Resource Manager on the fast floor: what azure-mgmt-web sends, sent by hand."""

from __future__ import annotations

import json
from functools import cached_property, partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from rollback.connectors.app_service import AppService
from rollback.connectors.app_service_effects import API_VERSION
from tests.simulation.ground import NoAnswerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from azure.core.paging import ItemPaged

    from rollback.connectors.identity import KeptCredential
    from rollback.rehearsal.simulator.exchange import Reply
    from tests.simulation.direct import Direct


class Heard:
    """An answer, as much of azure-core's as the connectors use."""

    reason: str | None = ""
    content_type = "application/json"

    def __init__(self, reply: Reply) -> None:
        self.status_code = reply.status
        self.content = reply.body
        self.headers = _Names(reply.headers)
        self.http_response = self
        self.request = None

    def json(self) -> Any:
        return json.loads(self.content)

    def body(self) -> bytes:
        return self.content

    def text(self, encoding: str | None = None) -> str:
        return self.content.decode(encoding or "utf-8", errors="replace")


class _Names(dict[str, str]):
    """Headers, whose names compare without case."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        super().__init__((name.lower(), value) for name, value in pairs)

    def get(self, name: str, absent: Any = None) -> Any:
        return super().get(name.lower(), absent)


class _Item(dict[str, Any]):
    def as_dict(self) -> dict[str, Any]:
        return self


class _Poller:
    def __init__(self, found: Any) -> None:
        self._found = found

    def result(self) -> Any:
        return self._found


_CALLS = {
    "get": ("GET", ""),
    "list_slots": ("GET", "/slots"),
    "get_configuration": ("GET", "/config/web"),
    "list_slot_configuration_names": ("GET", "/config/slotConfigNames"),
    "list_application_settings": ("POST", "/config/appsettings/list"),
    "list_slot_differences_from_production": ("POST", "/slotsdiffs"),
    "list_slot_differences": ("POST", "/slotsdiffs"),
    "list_instance_identifiers": ("GET", "/instances"),
    "list_deployments": ("GET", "/deployments"),
    "get_web_site_container_logs": ("POST", "/containerlogs"),
    "begin_swap_slot_with_production": ("POST", "/slotsswap"),
    "begin_swap_slot": ("POST", "/slotsswap"),
    "update_configuration": ("PATCH", "/config/web"),
    "start": ("POST", "/start"),
    "stop": ("POST", "/stop"),
}
"""The SDK's name -> what it sends to. A name that ends in ``_slot`` is the same at a slot."""

_AT_A_SLOT = frozenset({"begin_swap_slot", "list_slot_differences"})
_GOOD = frozenset({200, 201, 202, 204})


class _Sites:
    """`client.web_apps`: every call sends one request, or a page at a time."""

    def __init__(self, client: _Client) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        of = name.removesuffix("_slot")
        at_slot = name in _AT_A_SLOT or (name != of and of in _CALLS)
        method, path = _CALLS[name if name in _CALLS else of]
        act = partial(self._act, name, method, path, at_slot)
        self.__dict__[name] = act
        return act

    def _act(
        self,
        name: str,
        method: str,
        path: str,
        at_slot: bool,
        group: str,
        site: str,
        *more: Any,
        cls: Any = None,
        **_: Any,
    ) -> Any:
        slot, rest = (f"/slots/{more[0]}", more[1:]) if at_slot else ("", more)
        place = (
            f"/subscriptions/{self._client.subscription}/resourceGroups/{group}"
            f"/providers/Microsoft.Web/sites/{site}{slot}{path}?api-version={API_VERSION}"
        )
        body: bytes = rest[0] if rest else b""
        if name.startswith("list_") and cls is None:
            return self._pages(method, place, body)
        heard = self._client.good(method, place, body)
        if name.startswith("begin_"):
            return _Poller(cls(heard))
        if name.startswith("get_web_site"):
            return [heard.content] if heard.content else []
        return heard if cls is None else cls(heard, None, {})

    def _pages(self, method: str, place: str, body: bytes) -> ItemPaged[_Item]:
        from azure.core.paging import ItemPaged

        def asked(following: str | None) -> dict[str, Any]:
            how, where = ("GET", following) if following else (method, place)
            page: dict[str, Any] = self._client.good(how, where, body).json()
            return page

        def read(page: dict[str, Any]) -> tuple[str | None, Iterator[_Item]]:
            return page.get("nextLink") or None, map(_Item, page.get("value", ()))

        return ItemPaged(asked, read)


class _Client:
    """`WebSiteManagementClient`, as much of it as the connector uses."""

    def __init__(
        self, direct: Direct, credential: KeptCredential, subscription: str, host: str
    ) -> None:
        self.subscription = subscription
        self._direct = direct
        self._credential = credential
        self._base = f"https://{host}"
        self._scope = f"{self._base}/.default"
        self.web_apps = _Sites(self)

    def send_request(self, request: Any, **_: Any) -> Heard:
        """Whatever is answered."""
        return self._asked(str(request.method), str(request.url), b"")

    def good(self, method: str, place: str, body: bytes) -> Heard:
        """An answer that says it was done. Raises HttpResponseError."""
        heard = self._asked(method, place, body)
        if heard.status_code not in _GOOD:
            from azure.core import exceptions as azure

            kinds = {
                HTTPStatus.UNAUTHORIZED: azure.ClientAuthenticationError,
                HTTPStatus.NOT_FOUND: azure.ResourceNotFoundError,
                HTTPStatus.CONFLICT: azure.ResourceExistsError,
            }
            kind = kinds.get(HTTPStatus(heard.status_code), azure.HttpResponseError)
            raise kind(response=heard)
        return heard

    def _asked(self, method: str, place: str, body: bytes) -> Heard:
        from azure.core.exceptions import ServiceRequestError, ServiceResponseError

        token = self._credential.get_token(self._scope).token
        headers = {
            "User-Agent": "trade-rollback",
            "Accept": "application/json",
            "Authorization": f"Bearer {token}",
        }
        if body:
            headers["Content-Type"] = "application/json"
        elif method != "GET":
            headers["Content-Length"] = "0"
        try:
            heard = Heard(self._direct.ask(method, urljoin(self._base, place), headers, body))
        except NoAnswerError as error:
            kind = ServiceResponseError if error.sent else ServiceRequestError
            raise kind(str(error)) from error
        if heard.status_code == HTTPStatus.UNAUTHORIZED:
            self._credential.forget(token)
        return heard

    def close(self) -> None:
        """Nothing is open."""


class DirectAppService(AppService):
    """`ArmPort` without azure-mgmt-web."""

    def __init__(self, direct: Direct, credential: KeptCredential, **given: Any) -> None:
        super().__init__(credential=credential, transport=None, **given)
        self._direct = direct
        self._tokens = credential

    @cached_property
    def _client(self) -> Any:
        return _Client(self._direct, self._tokens, self._subscription, self._host)
