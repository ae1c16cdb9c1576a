"""S3 through botocore, as boto3 brings it: the implementation of `S3Port`.

One PUT per object, with its SHA-256 beside it: no multipart, no streamed checksum. Writes are
create-only or replace exactly what was read, and are sent once.
"""

from __future__ import annotations

import base64
import hashlib
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from rollback.connectors.crossing import Border, Failure, by_status, chain
from rollback.connectors.reading import age_s, read_again
from rollback.connectors.signing import run_out, session_here, session_of, untold
from rollback.connectors.taken_role import TakenRole, token_of
from rollback.errors import ProductDefect
from rollback.model.effect import SelfAddressedBody
from rollback.model.environment import S3Store
from rollback.model.ports import StoredObject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rollback.connectors.taken_role import KeptKeys
    from rollback.guard.wire import Wire
    from rollback.guard.wire.botocore_wire import GuardedClient
    from rollback.model.effect import HttpWrite
    from rollback.model.environment import Environment
    from rollback.model.ports import Clock, RefusalLatch, SecretSource

KEYS_MAX = 100_000
PAGES_MAX = 1_000
"""Most pages of a list: a page may hold fewer than a thousand keys, or none."""
TRIES = 3
CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 30


def store_failure(error: Exception) -> Failure | None:
    """What an exception of botocore means."""
    from botocore import exceptions as aws  # type: ignore[import-untyped, unused-ignore]

    from rollback.guard.wire.bounded_answer import TooMuchError

    if any(isinstance(one, TooMuchError) for one in chain(error)):
        what = "the answer is larger, or takes longer, than it may"
        return Failure("too-large", what, transient=False)
    if isinstance(error, aws.ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        if status == HTTPStatus.PRECONDITION_FAILED:
            what = "the object is there already, or is not what was read"
            return Failure("precondition", what, transient=False, status=412)
        if status == HTTPStatus.CONFLICT:
            return Failure("conflict", "somebody else is writing it", transient=True, status=409)
        return by_status(status) if isinstance(status, int) else None
    if isinstance(error, (aws.ConnectTimeoutError, aws.ReadTimeoutError)):
        return Failure("timeout", "no answer in time", transient=True)
    if isinstance(error, (aws.HTTPClientError, aws.ConnectionError, aws.IncompleteReadError)):
        return Failure("unreachable", "it could not be reached, or broke off", transient=True)
    if isinstance(error, (aws.NoCredentialsError, aws.PartialCredentialsError)):
        return Failure("denied", "no credential for the store", transient=False)
    if isinstance(error, (aws.BotoCoreError, ValueError, LookupError)):  # an odd date, no ETag
        return Failure("unreadable", "the request or its answer was not valid", transient=False)
    return None


class ObjectStore:
    """One bucket, for one scope. Keys are whole: the prefix of the environment is the caller's."""

    def __init__(
        self,
        *,
        store: S3Store,
        guard: Callable[[Any], GuardedClient],
        latch: RefusalLatch,
        clock: Clock,
        access_key_id: str | None = None,
        secret_access_key: str | None = None,
        role: TakenRole | None = None,
    ) -> None:
        """guard: puts the guard under a boto3 client. role: instead of a pair of keys."""
        self._store = store
        self._guard = guard
        self._clock = clock
        self._border = Border("object-store", latch, store_failure)
        self._access_key_id = access_key_id
        self._secret_access_key = secret_access_key
        self._role = role

    def get(self, key: str) -> tuple[bytes, str] | None:
        """(body, etag), or None where there is no such key."""
        found = self.stored(key)
        return None if found is None else (found.body, found.etag)

    def stored(self, key: str) -> StoredObject | None:
        """An object with its age, None where there is no such key."""

        def read() -> StoredObject | None:
            from botocore.exceptions import (  # type: ignore[import-untyped, unused-ignore]
                ClientError,
            )

            with self._crossing(f"reading {key}"):
                try:
                    found = self._client.get_object(Bucket=self._store.bucket, Key=key)
                except ClientError as error:
                    if error.response.get("Error", {}).get("Code") in {"NoSuchKey", "404"}:
                        return None
                    raise
                date = found["ResponseMetadata"].get("HTTPHeaders", {}).get("date", "")
                age = age_s(date, found.get("LastModified"))
                return StoredObject(found["Body"].read(), str(found["ETag"]), age)

        return read_again(read, self._clock, tries=TRIES)

    def keys(self, prefix: str, most: int = KEYS_MAX) -> tuple[str, ...]:
        """Keys under a prefix, in order; where there are more than `most`, about so many."""

        def read() -> tuple[str, ...]:
            with self._crossing(f"listing {prefix}"):
                found: list[str] = []
                pages = self._client.get_paginator("list_objects_v2")
                listed = pages.paginate(Bucket=self._store.bucket, Prefix=prefix)
                for number, page in enumerate(listed, 1):
                    found += [str(item["Key"]) for item in page.get("Contents", [])]
                    if len(found) >= most:
                        break
                    if number == PAGES_MAX:
                        failure = Failure("unreadable", "the list does not end", transient=False)
                        raise self._border.error(failure, f"listing {prefix}")
                return tuple(sorted(found))

        return read_again(read, self._clock, tries=TRIES)

    def create(self, effect: HttpWrite, key: str, body: bytes) -> str:
        """Create; returns the etag. Raises ConnectorError status 412 where it exists."""
        return self._put(effect, key, body, {"IfNoneMatch": "*"})

    def replace(self, effect: HttpWrite, key: str, body: bytes, etag: str) -> str:
        """Replace exactly what was read. Raises ConnectorError status 412 where it changed."""
        return self._put(effect, key, body, {"IfMatch": etag})

    def close(self) -> None:
        """Close connections."""
        if "_client" in self.__dict__:
            self._client.close()
            self._leaf.close()

    def _put(self, effect: HttpWrite, key: str, body: bytes, condition: dict[str, str]) -> str:
        if effect.condition == "if-match" and "IfMatch" not in condition:
            msg = f"effect {effect.id} replaces what was read; it does not create"
            raise ProductDefect("object-store.condition", msg, promise="plan-is-permission")
        if self._role is not None:
            read_again(self._role.take, self._clock, tries=TRIES)  # the write itself is sent once
        with self._crossing(f"writing {key}"):
            digest = base64.b64encode(_digest(effect, key, body)).decode()
            answer = self._client.put_object(
                Bucket=self._store.bucket,
                Key=key,
                Body=body,
                ChecksumAlgorithm="SHA256",  # asked for by stores that hold retained objects
                ChecksumSHA256=digest,
                **condition,
                **self._retention(effect),
            )
            return str(answer["ETag"])

    @contextmanager
    def _crossing(self, doing: str) -> Iterator[None]:
        """As `Border.crossing`, with a credential that lasts; one that did not is forgotten."""
        if self._role is None:
            with self._border.crossing(doing):
                yield
            return
        used = self._role.take()
        with untold(), self._border.crossing(doing):
            try:
                yield
            except Exception as error:
                if not run_out(error):
                    raise
                self._role.forget(used)
                what = "the store did not accept the role's credential; the next one is asked for"
                raise self._border.error(Failure("expired", what, transient=True), doing) from None

    def _retention(self, effect: HttpWrite) -> dict[str, Any]:
        if effect.purpose.value != "evidence":
            return {}
        named: dict[str, Any] = {}
        if self._store.retention_days:
            until = self._clock.now() + timedelta(days=self._store.retention_days)
            named = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": until}
        if self._store.legal_hold:
            named["ObjectLockLegalHoldStatus"] = "ON"
        return named

    @cached_property
    def _client(self) -> Any:
        from botocore.config import Config  # type: ignore[import-untyped, unused-ignore]

        # botocore's own client: boto3 would add transfers in parts, which no permission covers.
        session = session_here() if self._role is None else session_of(self._role)
        client = session.create_client(
            "s3",
            region_name=self._store.region,
            endpoint_url=self._store.endpoint,
            aws_access_key_id=self._access_key_id,
            aws_secret_access_key=self._secret_access_key,
            config=Config(
                retries={"total_max_attempts": 1, "mode": "standard"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                connect_timeout=CONNECT_TIMEOUT_S,
                read_timeout=READ_TIMEOUT_S,
                proxies={},
                user_agent="trade-rollback",  # botocore's own is put together for every request
                s3={
                    "addressing_style": "path" if self._store.endpoint else "virtual",
                    "payload_signing_enabled": True,
                },
            ),
        )
        client.meta.events.register_last("before-parameter-build.s3", _stay)
        self._leaf = self._guard(client)
        return client


def _digest(effect: HttpWrite, key: str, body: bytes) -> bytes:
    """SHA-256. Where the key says it, guard and store both hold the bytes against it."""
    if isinstance(effect.body, SelfAddressedBody):
        return bytes.fromhex(key.rpartition("/")[2])
    return hashlib.sha256(body).digest()


def _stay(context: dict[str, Any], **_: Any) -> None:
    """The bucket is where the environment says: botocore asks in no other region.

    It would, where an answer points to one, and that by a request of its own, which it follows up
    in the same way: eighty of them, for an answer that names no region (botocore 1.44.5).
    """
    context.setdefault("s3_redirect", {})["redirected"] = True


def bucket_of(
    environment: Environment, wire: Wire, secrets: SecretSource, kept: KeptKeys
) -> ObjectStore:
    """The bucket of an environment's evidence store, guarded for one scope.

    kept: the credential of its role, which the scopes of a run share.
    Raises ProductDefect where the environment keeps its evidence elsewhere.
    """
    store = environment.evidence.store
    if not isinstance(store, S3Store):
        msg = "this environment's evidence store is no bucket"
        raise ProductDefect("object-store.none", msg)

    def guarded(client: Any) -> GuardedClient:
        from rollback.guard.wire import botocore_wire

        return botocore_wire.guard(wire, client)

    role = None
    if store.role_arn is not None:
        role = TakenRole(
            store=store,
            token=token_of(store, environment.base, secrets, wire.latch),
            guard=guarded,
            latch=wire.latch,
            clock=wire.clock,
            secrets=secrets,
            kept=kept,
        )
    named, key = store.access_key_id, store.secret_access_key
    return ObjectStore(
        store=store,
        guard=guarded,
        latch=wire.latch,
        clock=wire.clock,
        access_key_id=None if named is None else secrets.get(named),
        secret_access_key=None if key is None else secrets.get(key),
        role=role,
    )
