"""The fast floor: the world behind the product's connectors, without the SDKs between.

Every request that an SDK would send is made here by hand: the guard judges it, the permission is
spent, the world answers, the exchange is told. What is left out is what the SDKs do to a request on
its way, and costs half to two thirds of a run on the other floor. A test holds that both floors send
the same requests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from rollback.connectors.clients import GuardedClients
from rollback.connectors.http_hosts import REQUEST_ID, TIMEOUT_S, HttpHost
from rollback.connectors.identity import KeptCredential
from rollback.guard.rules.request import Request
from rollback.model.ports import Answer
from rollback.rehearsal.simulator.ledger import classify
from tests.simulation.ground import NoAnswerError
from tests.simulation.received import call_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from azure.core.credentials import AccessToken

    from rollback.guard.wire import Wire
    from rollback.model.environment import EntraApp
    from rollback.model.ports import ArmPort, CosmosPort, HttpPort, SecretSource
    from rollback.rehearsal.simulator.exchange import Reply
    from tests.simulation.ground import Ground

Headers = tuple[tuple[str, str], ...]


class Direct:
    """What stands in for every guarded transport of one scope; a carrier for canaries."""

    name = "direct"

    def __init__(self, wire: Wire, ground: Ground) -> None:
        self.wire = wire
        self._ground = ground
        wire.prove(self)

    def ask(self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> Reply:
        """One attempt. Raises GuardRefusal, and NoAnswerError."""
        said = {REQUEST_ID: self.wire.next_id(), **headers}
        if body:
            said["Content-Length"] = str(len(body))
        request = Request(method, url, tuple(said.items()), body or None)
        admitted = self.wire.admit(request)
        call = call_of(method, url, said, body)
        try:
            reply = self._ground.exchange(call, writes=classify(call) == "write")
        except BaseException as error:
            self.wire.failed(admitted, error)
            raise
        answer = {name.lower(): value for name, value in reply.headers}
        self.wire.answered(admitted, reply.status, answer)
        return reply

    def carry(self, request: Request) -> None:
        """Put a canary through."""
        admitted = self.wire.admit(request)
        self.wire.trap.swallow(admitted.request_id)


class DirectHost(HttpHost):
    """`HttpPort` without httpx: what is asked, how often, and what an answer means is the same."""

    def __init__(self, direct: Direct, **given: Any) -> None:
        super().__init__(transport=_no_transport, **given)
        self._direct = direct

    def _once(
        self, method: str, target: str, body: bytes | None, headers: Headers, *, fresh: bool = False
    ) -> Answer:
        del fresh
        return self._sent(method, target, target, body or b"", headers)

    def _once_in_secret(self, effect: Any, target: str, body: bytes, headers: Headers) -> Answer:
        return self._sent(effect.method, target, effect.path, body, headers)

    def _sent(self, method: str, target: str, told: str, body: bytes, headers: Headers) -> Answer:
        import httpx

        doing = f"{method} {self.host}{told.partition('?')[0]}"
        with self._border.crossing(doing):
            sent = self._direct.wire.next_id()
            said = {"user-agent": "trade-rollback", "accept": "*/*", **dict(headers)}
            said[REQUEST_ID] = sent
            try:
                reply = self._direct.ask(method, f"{self._base}{target}", said, body)
            except NoAnswerError as error:
                kind = httpx.ReadError if error.sent else httpx.ConnectError
                raise kind(str(error)) from error
            echoed = None
            if self._echoes:
                answer = {name.lower(): value for name, value in reply.headers}
                echoed = answer.get(REQUEST_ID, "") == sent
            return Answer(
                status=reply.status,
                headers=tuple((name.lower(), value) for name, value in reply.headers),
                body=reply.body,
                request_id=sent,
                echoed=echoed,
                at=self._clock.now(),
            )


def _no_transport() -> Any:
    msg = "the fast floor opens no transport"
    raise AssertionError(msg)


class DirectCredential:
    """Tokens as azure-identity gets them: the issuer's document, then a token, kept."""

    def __init__(self, identity: EntraApp, direct: Direct, secrets: SecretSource) -> None:
        self._identity = identity
        self._direct = direct
        self._secret = secrets.get(identity.client_secret)
        self._kept: dict[str, AccessToken] = {}
        self._found = False

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        """A bearer token. Raises ClientAuthenticationError."""
        from azure.core.exceptions import ClientAuthenticationError

        (scope,) = scopes
        if scope not in self._kept:
            try:
                self._kept[scope] = self._asked(scope)
            except NoAnswerError as error:
                raise ClientAuthenticationError(str(error)) from error
        return self._kept[scope]

    def _asked(self, scope: str) -> AccessToken:
        from azure.core.credentials import AccessToken
        from azure.core.exceptions import ClientAuthenticationError

        from tests.simulation.direct_azure import Heard

        place = f"https://{self._identity.authority}/{self._identity.tenant}"
        if not self._found:
            known = f"{place}/v2.0/.well-known/openid-configuration"
            if self._direct.ask("GET", known, {"Accept": "*/*"}).status != 200:
                raise ClientAuthenticationError("the issuer's document could not be read")
            self._found = True
        form = {
            "client_id": self._identity.client_id,
            "grant_type": "client_credentials",
            "client_info": "1",
            "client_secret": self._secret,
            "scope": scope,
        }
        headers = {"Accept": "application/json", "Content-Type": _FORM}
        url = f"{place}/oauth2/v2.0/token"
        heard = Heard(self._direct.ask("POST", url, headers, urlencode(form).encode()))
        if heard.status_code != 200:
            raise ClientAuthenticationError("no token was given", response=heard)
        told = heard.json()
        until = self._direct.wire.clock.now().timestamp() + int(told["expires_in"])
        return AccessToken(str(told["access_token"]), int(until))


_FORM = "application/x-www-form-urlencoded"


def clients_on(ground: Ground) -> type[GuardedClients]:
    """`GuardedClients` of the fast floor."""

    class DirectClients(GuardedClients):
        _carrier: Direct | None = None

        @property
        def _direct(self) -> Direct:
            if self._carrier is None:
                self._carrier = Direct(self._wire, ground)
            return self._carrier

        def http(self, host: str) -> HttpPort:
            if host not in self._hosts:
                port: Any = super().http(host)
                self._hosts[host] = DirectHost(
                    self._direct,
                    host=host,
                    socket=port._socket,
                    latch=self._wire.latch,
                    clock=self._parts.clock,
                    echoes=port._echoes,
                    timeout_s=TIMEOUT_S,
                )
            return self._hosts[host]

        def arm(self) -> ArmPort:
            if self._arm is None:
                from tests.simulation.direct_azure import DirectAppService

                azure, clock = self._parts.environment.azure, self._parts.clock
                assert azure.identity is not None
                own = DirectCredential(azure.identity, self._direct, self._parts.secrets)
                self._arm = DirectAppService(
                    self._direct,
                    KeptCredential(own, self._parts.tokens, clock),
                    subscription=azure.subscription,
                    host=azure.host,
                    latch=self._wire.latch,
                    clock=clock,
                    digest_key=self._parts.digest_key,
                    together=self._together,
                )
            return self._arm

        def cosmos(self) -> CosmosPort:
            if self._cosmos is None:
                from tests.simulation.direct_cosmos import DirectCosmos

                cosmos = self._parts.environment.cosmos
                self._cosmos = DirectCosmos(
                    self._direct,
                    endpoint=cosmos.endpoint,
                    database=cosmos.database,
                    credential="",
                    transport=_no_transport,
                    latch=self._wire.latch,
                    regions=cosmos.regions,
                )
            return self._cosmos

    return DirectClients
