"""A credential for a bucket: a role, taken at STS by a web identity token.

Asked for once a run, by whichever scope needs it first, over that scope's guarded client, and kept
in memory until shortly before it ends. What STS answers is looked at before anything is signed
with it, and every part of it is known to the redaction before it is used.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from rollback.connectors.crossing import Border, Failure
from rollback.connectors.signing import session_here, untold
from rollback.connectors.sts_answers import PARSED, refused, sts_failure, unreadable
from rollback.connectors.token_answers import usable
from rollback.guard.rules.perimeter import sts_address
from rollback.guard.rules.sts import SESSION, is_token
from rollback.loading.files import bytes_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollback.guard.wire.botocore_wire import GuardedClient
    from rollback.model.environment import S3Store
    from rollback.model.ports import Clock, RefusalLatch, SecretSource

ENDS_S_MIN: Final = 300
"""A kept credential that lasts no longer than this is not used: what it signs may take a while."""
LASTS_MAX: Final = timedelta(hours=13)
"""The longest that one may last: STS gives twelve hours at most, and clocks differ."""
TOKEN_BYTES_MAX: Final = 65_536
CONNECT_TIMEOUT_S: Final = 5
READ_TIMEOUT_S: Final = 10
BEGINNING: Final = 64
_DOING: Final = "taking the role of the evidence store"
_KEY_ID: Final = re.compile(r"[A-Za-z0-9_]{16,128}")
_SECRET: Final = re.compile(r"[!-~]{16,256}")


@dataclass(frozen=True, slots=True)
class Keys:
    """A credential that ends. until: when."""

    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    session_token: str = field(repr=False)
    until: datetime


class KeptKeys:
    """The credential that the scopes of one run share, in memory only."""

    def __init__(self) -> None:
        """None yet."""
        self.lock = Lock()
        self.keys: Keys | None = None


class TakenRole:
    """The role of a store, for one scope. One thread asks, the others wait for what it gets."""

    def __init__(
        self,
        *,
        store: S3Store,
        token: Callable[[], str],
        guard: Callable[[Any], GuardedClient],
        latch: RefusalLatch,
        clock: Clock,
        secrets: SecretSource,
        kept: KeptKeys,
    ) -> None:
        """token: reads the web identity token. guard: puts the guard under a client of botocore."""
        self._store = store
        self._token = token
        self._guard = guard
        self._border = Border("object-store", latch, sts_failure)
        self._clock = clock
        self._secrets = secrets
        self._kept = kept

    def take(self) -> Keys:
        """The credential; asked for where none is kept that lasts.

        Raises ConnectorError where none can be had, GuardRefusal where the guard refused to ask.
        """
        with self._kept.lock:
            keys = self._kept.keys
            if keys is None or (keys.until - self._clock.now()).total_seconds() < ENDS_S_MIN:
                keys = self._kept.keys = self._asked()
            return keys

    def forget(self, used: Keys | None) -> None:
        """The store did not accept it: ask for another the next time."""
        with self._kept.lock:
            if self._kept.keys is used:
                self._kept.keys = None

    def _asked(self) -> Keys:
        """One request, and no other one: whoever reads asks again."""
        token = self._token().strip()
        if not is_token(token) or _repeats(token):
            what = "no credential was had: what is named as the web identity token is none"
            hint = "see what web_identity_token or web_identity_token_file of the store names"
            failure = Failure("no-token", what, transient=False, hint=hint)
            raise self._border.error(failure, _DOING)
        self._secrets.know(token)
        with untold(), self._border.crossing(_DOING):
            client = _client(self._store)
            leaf = None
            try:
                client.meta.events.register("before-parse.sts", self._look)
                leaf = self._guard(client)
                answer = client.assume_role_with_web_identity(
                    RoleArn=self._store.role_arn, RoleSessionName=SESSION, WebIdentityToken=token
                )
            finally:
                client.close()
                if leaf is not None:
                    leaf.close()
            return self._sound(answer.get("Credentials"))

    def _look(self, response_dict: dict[str, Any], **_: Any) -> None:
        """Botocore parses whatever comes, and says of an empty answer only that it is no XML."""
        status = int(response_dict["status_code"])
        if status not in PARSED:
            raise self._border.error(refused(status), _DOING)

    def _sound(self, given: object) -> Keys:
        """The credential of an answer. Raises ConnectorError where it is none that can be used."""
        parts = given if isinstance(given, dict) else {}
        key_id, secret, token, until = (
            parts.get(name)
            for name in ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")
        )
        if not (
            isinstance(key_id, str)
            and isinstance(secret, str)
            and isinstance(token, str)
            and isinstance(until, datetime)
            and _KEY_ID.fullmatch(key_id)
            and _SECRET.fullmatch(secret)
            and usable(token)
            and not _repeats(token)
        ):
            raise self._border.error(unreadable("holds no credential, or none in its form"), _DOING)
        ends = until if until.tzinfo is not None else until.replace(tzinfo=UTC)
        left = ends - self._clock.now()
        if not timedelta() < left <= LASTS_MAX:
            hint = "compare this machine's clock; then see what answers there"
            what = "holds a credential that has run out, or lasts longer than can be"
            raise self._border.error(unreadable(what, hint), _DOING)
        self._secrets.know(key_id, secret, token)
        return Keys(key_id, secret, token, ends)


def _repeats(text: str) -> bool:
    """Whether its beginning comes again in it, as in no token.

    What searches for all forms of a secret takes minutes to get ready for one that does (measured:
    4.9 s for 2,000 times one letter, four times that for twice as many; 0.04 s for a token).
    """
    return text.find(text[:BEGINNING], 1) >= 0


def token_of(
    store: S3Store, base: str, secrets: SecretSource, latch: RefusalLatch
) -> Callable[[], str]:
    """Reads the web identity token of a store. base: where the environment's paths start.

    A variable's is read now, as a key's is. A file is read anew each time: whoever writes it does
    so before its token runs out. Raises InputError where the variable is not set; what is returned
    raises ConnectorError where the file cannot be read.
    """
    if store.web_identity_token is not None:
        token = secrets.get(store.web_identity_token)
        return lambda: token
    path = Path(base) / Path(str(store.web_identity_token_file)).expanduser()
    border = Border("object-store", latch)

    def read() -> str:
        try:
            return bytes_of(path, TOKEN_BYTES_MAX).decode("ascii")
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "it is no plain text"
            what = f"no credential was had: the web identity token's file {path}: {why}"
            hint = "see what web_identity_token_file of the store names, and who writes it"
            failure = Failure("no-token", what, transient=False, hint=hint)
            raise border.error(failure, _DOING) from None

    return read


def _client(store: S3Store) -> Any:
    """A client of botocore's own: of STS, which signs nothing and asks once."""
    from botocore import UNSIGNED  # type: ignore[import-untyped, unused-ignore]
    from botocore.config import Config  # type: ignore[import-untyped, unused-ignore]

    return session_here().create_client(
        "sts",
        region_name=store.region,
        endpoint_url=sts_address(store),
        config=Config(
            signature_version=UNSIGNED,
            retries={"total_max_attempts": 1, "mode": "standard"},
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=READ_TIMEOUT_S,
            proxies={},
            user_agent="trade-rollback",
            max_pool_connections=1,
        ),
    )
