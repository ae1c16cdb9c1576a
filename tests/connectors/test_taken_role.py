"""The role of an evidence store: taken once, kept until shortly before it ends, told nowhere."""

from __future__ import annotations

import dataclasses
import logging
import os
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rollback.connectors.clients import GuardedClients
from rollback.connectors.taken_role import ENDS_S_MIN
from rollback.errors import ConnectorError, GuardRefusal, InputError
from rollback.guard.rules.perimeter import perimeter_of
from rollback.guard.wire import botocore_leaf, bounded_answer, timed_answer
from rollback.model.base import BLOT
from rollback.model.effect import SelfAddressedBody
from rollback.model.environment import Environment
from rollback.rehearsal.simulator import names
from rollback.rehearsal.simulator.s3 import S3Server
from tests.connectors import stand as stands
from tests.connectors.loopback import answer
from tests.connectors.stand import VARIABLES, Stand, environment, stand
from tests.connectors.sts_desk import (
    ABSENT,
    KEY_ID,
    SECRET,
    SESSION,
    Desk,
    Said,
    desk,
    given,
    refusing,
)
from tests.connectors.test_object_store import chunk, effect
from tests.guard.support import ROLE

TOKEN = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJvbi1jYWxsIn0.c2lnbmVk"
KEY = "evidence/x"


@pytest.fixture
def here() -> Iterator[Desk]:
    with desk() as story:
        yield story


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    return path


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO)
    return caplog


def bucket(place: str, token: Path | str, **changes: Any) -> Environment:
    written = {
        "kind": "s3",
        "endpoint": place,
        "region": "eu-west-1",
        "bucket": names.EVIDENCE_BUCKET,
        "role_arn": ROLE,
        "web_identity_token_file": str(token),
        "sts_endpoint": place.replace("127.0.0.1", "localhost"),
    }
    return environment(evidence={"store": {**written, **changes}})


def again(one: Stand) -> GuardedClients:
    """Clients of the run's next scope."""
    return GuardedClients(one.wire, one.parts)


def unsaid(one: Stand, log: pytest.LogCaptureFixture, *errors: BaseException) -> None:
    """Nothing that is kept or told holds a secret."""
    shown = "".join(line for error in errors for line in traceback.format_exception(error))
    shown += repr(one.exchanges.seen_all) + repr(one.latch.refusals) + repr(one.parts) + log.text
    shown += repr(one.parts.keys.keys)
    for secret in (TOKEN, KEY_ID, SECRET, SESSION):
        assert secret not in shown


def failure(
    env: Environment, log: pytest.LogCaptureFixture, code: str, *, transient: bool = False
) -> ConnectorError:
    """The error of a read."""
    with stand(env) as one:
        with pytest.raises(ConnectorError) as caught:
            one.clients.s3().get(KEY)
        assert one.latch.tripped() is None, "an odd answer does not end the run"
        unsaid(one, log, caught.value)
    assert (caught.value.code, caught.value.transient) == (f"object-store.{code}", transient)
    assert caught.value.status is None, "it says nothing about the store"
    assert "taking the role of the evidence store: no credential was had" in caught.value.reason
    return caught.value


# --- against moto's STS and S3, with botocore's own clients -----------------------------------------


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with S3Server.start(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.mark.parametrize("own", [False, True], ids=["another host", "the store's own"])
def test_evidence_is_written_with_a_role(
    moto: S3Server, token: Path, log: pytest.LogCaptureFixture, *, own: bool
) -> None:
    env = bucket(moto.endpoint, token)
    if own:
        env = bucket(moto.endpoint, token, sts_endpoint=moto.endpoint)
    body = f"some evidence {own}".encode()
    put = effect(env, "evidence/chunks/{sha256}", body=SelfAddressedBody(bytes_max=10_000))
    before = len(moto.ledger())
    with stand(env, put) as one:
        etag = one.clients.s3().create(put, chunk(body), body)
        found = one.clients.s3().get(chunk(body))
        later = again(one)
        keys = later.s3().keys("evidence/chunks/")
        later.close()
        unsaid(one, log)
        asked = [seen for seen in one.exchanges.seen_all if seen.path == "/"]
        assert one.parts.keys.keys is not None
        kept = one.parts.keys.keys
        for secret in (TOKEN, kept.access_key_id, kept.secret_access_key, kept.session_token):
            assert one.secrets.redact(f"<{secret}>") == f"<{BLOT}>"
    assert (found, chunk(body) in keys) == ((body, etag), True)
    assert [(seen.method, seen.status) for seen in asked] == [("POST", 200)]
    posts = [seen for seen in moto.ledger()[before:] if (seen["method"], seen["path"]) == ("POST", "/")]
    assert [seen["user_agent"] for seen in posts] == ["trade-rollback"]
    assert [one_effect for one_effect, _ in one.ledger.spent] == ["e#put"]


def test_canaries_are_put_through_the_client_of_sts_too(here: Desk, token: Path) -> None:
    """An apply scope whose clients are proved: each is, and none of it leaves."""
    env = bucket(here.place, token)
    put = effect(env, "evidence/{key}")
    with stand(env, put) as one:
        wire = dataclasses.replace(one.wire, environment=env)
        clients = GuardedClients(wire, one.parts)
        assert clients.s3().get(KEY) is None
        clients.close()
        assert one.latch.tripped() is None
    assert (len(here.roles), len(here.signed)) == (1, 1)


# --- what is sent ---------------------------------------------------------------------------------


def test_the_request_is_the_one_that_the_guard_names(here: Desk, token: Path) -> None:
    with stand(bucket(here.place, token)) as one:
        assert one.clients.s3().get(KEY) is None
    assert here.roles == [
        {
            "Action": "AssumeRoleWithWebIdentity",
            "Version": "2011-06-15",
            "RoleArn": ROLE,
            "RoleSessionName": "trade-rollback",
            "WebIdentityToken": TOKEN,
        }
    ]
    assert "authorization" not in here.heads[0]
    assert here.signed == [("GET", SESSION)]


def test_nobody_else_is_asked_whatever_the_machine_says(
    here: Desk, token: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variables of AWS on this machine are another credential, and another place."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "another")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another-secret-key")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "another-session")
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::1:role/another")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9")
    with stand(bucket(here.place, token)) as one:
        assert one.clients.s3().get(KEY) is None
    assert (here.roles[0]["RoleArn"], here.signed) == (ROLE, [("GET", SESSION)])


def test_a_token_of_a_variable(here: Desk, token: Path) -> None:
    named = {"web_identity_token_file": None, "web_identity_token": "${WEB_IDENTITY}"}
    env = bucket(here.place, token, **named)
    with stand(env) as one:
        with pytest.raises(InputError, match="WEB_IDENTITY is not set"):
            one.clients.s3()
        object.__setattr__(one.secrets, "variables", {**VARIABLES, "WEB_IDENTITY": TOKEN})
        assert one.clients.s3().get(KEY) is None
    assert here.roles[0]["WebIdentityToken"] == TOKEN


def test_a_file_starts_where_the_environment_does(here: Desk, token: Path) -> None:
    env = bucket(here.place, token.name).model_copy(update={"base": str(token.parent)})
    with stand(env) as one:
        assert one.clients.s3().get(KEY) is None


# --- how long it is kept --------------------------------------------------------------------------


@pytest.mark.parametrize(("left_s", "asked"), [(ENDS_S_MIN - 1, 2), (ENDS_S_MIN, 1)])
def test_it_is_kept_until_shortly_before_its_end_and_the_file_is_read_anew(
    here: Desk, token: Path, monkeypatch: pytest.MonkeyPatch, left_s: int, asked: int
) -> None:
    now = [datetime(2026, 11, 27, 12, 0, tzinfo=UTC)]
    monkeypatch.setattr(stands.PatientClock, "now", lambda _: now[0])
    here.sts = lambda n: given(ends=f"2026-11-27T{13 + n}:00:00Z", SessionToken=f"{SESSION}{n}")
    with stand(bucket(here.place, token)) as one:
        one.clients.s3().get(KEY)
        token.write_text(f"{TOKEN}2")
        now[0] += timedelta(hours=1) - timedelta(seconds=left_s)
        one.clients.s3().get(KEY)
        later = again(one)
        later.s3().get(KEY)
        later.close()
    assert [form["WebIdentityToken"] for form in here.roles] == [TOKEN, f"{TOKEN}2"][:asked]
    assert here.signed[1:] == [("GET", f"{SESSION}{asked - 1}")] * 2


def test_one_that_ends_soon_is_used_and_not_kept(here: Desk, token: Path) -> None:
    here.sts = lambda _: given(lasts_s=60)
    with stand(bucket(here.place, token)) as one:
        assert one.clients.s3().get(KEY) is None
        before = len(here.roles)
        assert one.clients.s3().get(KEY) is None
    assert before >= 1
    assert len(here.roles) > before


@pytest.mark.parametrize("code", ["ExpiredToken", "InvalidAccessKeyId", "InvalidToken"])
def test_one_that_the_store_takes_no_more_is_asked_for_again(
    here: Desk, token: Path, code: str, log: pytest.LogCaptureFixture
) -> None:
    no = answer("400 Bad", f"<Error><Code>{code}</Code><Message>{SESSION}</Message></Error>".encode())
    here.store = lambda n: no if n == 0 else ABSENT
    here.sts = lambda n: given(SessionToken=f"{SESSION}{n}")
    with stand(bucket(here.place, token)) as one:
        assert one.clients.s3().get(KEY) is None
        unsaid(one, log)
    assert here.signed == [("GET", f"{SESSION}0"), ("GET", f"{SESSION}1")]


def test_a_store_that_takes_none_is_told_so(here: Desk, token: Path) -> None:
    here.store = lambda _: answer("400 Bad", b"<Error><Code>ExpiredToken</Code></Error>")
    with stand(bucket(here.place, token)) as one, pytest.raises(ConnectorError) as caught:
        one.clients.s3().get(KEY)
    assert caught.value.code == "object-store.expired"
    assert (len(here.roles), len(here.signed)) == (3, 3)


# --- writes ---------------------------------------------------------------------------------------


def test_no_permission_is_spent_where_no_credential_is_had(here: Desk, token: Path) -> None:
    here.sts = lambda _: refusing("403 No", "AccessDenied")
    env = bucket(here.place, token)
    put = effect(env, "evidence/{key}")
    with stand(env, put) as one, pytest.raises(ConnectorError) as caught:
        one.clients.s3().create(put, KEY, b"x")
    assert caught.value.code == "object-store.denied"
    assert (one.ledger.spent, here.signed, len(here.roles)) == ([], [], 1)


def test_a_write_is_sent_once_though_its_credential_is_asked_for_again(
    here: Desk, token: Path
) -> None:
    here.sts = lambda n: given() if n == 2 else answer("503 Busy")
    here.store = lambda _: answer("400 Bad", b"<Error><Code>ExpiredToken</Code></Error>")
    env = bucket(here.place, token)
    put = effect(env, "evidence/{key}")
    with stand(env, put) as one, pytest.raises(ConnectorError) as caught:
        one.clients.s3().create(put, KEY, b"x")
    assert caught.value.code == "object-store.expired"
    assert (len(here.roles), here.signed, len(one.ledger.spent)) == (3, [("PUT", SESSION)], 1)


def test_no_logger_tells_of_it_however_closely_a_host_listens(
    here: Desk, token: Path, log: pytest.LogCaptureFixture
) -> None:
    """At DEBUG botocore writes what is sent and answered; of others' clients it goes on to."""
    log.set_level(logging.DEBUG)
    loggers = [logging.getLogger(f"botocore.{name}") for name in ("auth", "endpoint", "parsers")]
    here.store = lambda n: answer("200 OK", b"<ListBucketResult/>") if n % 2 else ABSENT
    with stand(bucket(here.place, token)) as one:
        for clients in (one.clients, again(one)):
            assert clients.s3().get(KEY) is None
            assert clients.s3().keys("evidence/") == ()
            clients.close()
        unsaid(one, log)
    before = [list(logger.filters) for logger in loggers]
    for logger in loggers:
        logger.debug("of a client of the host")
    assert log.text.count("of a client of the host") == len(loggers)
    with stand(bucket(here.place, token)) as one:
        assert one.clients.s3().get(KEY) is None
    assert [list(logger.filters) for logger in loggers] == before, "each is there once"


# --- what STS may answer --------------------------------------------------------------------------

DENIED = {
    "AccessDenied": ("403 No", "the role does not trust this web identity"),
    "ExpiredTokenException": ("400 Bad", "the web identity token has run out"),
    "InvalidIdentityToken": ("400 Bad", "the web identity token is not accepted"),
    "IDPRejectedClaim": ("403 No", "the identity provider does not accept the web identity token"),
    "RegionDisabledException": ("403 No", "STS is not active in this region"),
    TOKEN: ("400 Bad", "STS did not accept the request (400)"),
}


@pytest.mark.parametrize("code", DENIED)
def test_a_denial_is_told_in_our_own_words(
    here: Desk, token: Path, log: pytest.LogCaptureFixture, code: str
) -> None:
    status, words = DENIED[code]
    here.sts = lambda _: refusing(status, code, f"{TOKEN} {SECRET}")
    found = failure(bucket(here.place, token), log, "denied")
    assert found.reason.endswith(f"no credential was had: {words}")
    assert "trust policy" in str(found.hint)
    assert len(here.roles) == 1


def chunks() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    while True:
        yield b"10000\r\n" + b"<a/>" * 16_384 + b"\r\n"


ODD: dict[str, tuple[Callable[[], Said], str, bool]] = {
    "nothing": (lambda: answer("200 OK"), "unreadable", False),
    "a page": (lambda: answer("200 OK", f"<html>{SECRET}<p>".encode()), "unreadable", False),
    "JSON": (lambda: answer("200 OK", b'{"Credentials": {}}'), "unreadable", False),
    "cut short": (lambda: given()[:-9], "unreadable", False),
    "no key": (lambda: given(AccessKeyId=None), "unreadable", False),
    "no secret": (lambda: given(SecretAccessKey=None), "unreadable", False),
    "no session": (lambda: given(SessionToken=None), "unreadable", False),
    "no end": (lambda: given(Expiration=None), "unreadable", False),
    "an end that is none": (lambda: given(ends=f"never {SECRET}"), "unreadable", False),
    "a key that is none": (lambda: given(AccessKeyId="short"), "unreadable", False),
    "a secret that is none": (lambda: given(SecretAccessKey="a b" * 9), "unreadable", False),
    "a session of two lines": (lambda: given(SessionToken="a&#10;b"), "unreadable", False),
    "a session of one letter": (lambda: given(SessionToken="a" * 30_000), "unreadable", False),
    "a session without end": (lambda: given(SessionToken="ab.-" * 9_000), "unreadable", False),
    "one that has ended": (lambda: given(lasts_s=-1), "unreadable", False),
    "one that lasts a day": (lambda: given(lasts_s=86_400), "unreadable", False),
    "elsewhere": (
        lambda: answer("307 Moved", b"", "Location: http://elsewhere.example/"), "refused", False,
    ),
    "not found": (lambda: answer("404 No"), "refused", False),
    "forbidden by a page": (lambda: answer("403 No", f"<p>{SECRET}".encode()), "unreadable", False),
    "busy with a page": (lambda: answer("503 No", f"<p>{SECRET}".encode()), "unavailable", True),
    "busy": (lambda: refusing("503 Busy", "ServiceUnavailable"), "unavailable", True),
    "throttling": (lambda: refusing("429 Slow", "Throttling"), "throttled", True),
    "no provider": (lambda: refusing("400 Bad", "IDPCommunicationError"), "unavailable", True),
    "without end": (chunks, "too-large", False),
    "large": (lambda: given(Other="x" * 2**17), "too-large", False),
}  # fmt: skip


@pytest.mark.parametrize("what", ODD)
def test_what_is_odd_is_told_as_that(
    here: Desk,
    token: Path,
    log: pytest.LogCaptureFixture,
    what: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bounded_answer, "BYTES_MAX", 2**20)
    monkeypatch.setattr(botocore_leaf, "PARSED_BYTES_MAX", 2**16)
    say, code, transient = ODD[what]
    here.sts = lambda _: say()
    failure(bucket(here.place, token), log, code, transient=transient)
    assert len(here.roles) == (3 if transient else 1)
    assert here.signed == []


def test_sts_that_takes_its_time_is_not_waited_for(
    here: Desk, token: Path, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timed_answer, "SECONDS_MAX", -1.0)
    begin = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n<a/>\r\n0\r\n"
    here.sts = lambda _: [begin, b"X: y\r\n" * 5_000 + b"\r\n"]
    failure(bucket(here.place, token), log, "timeout", transient=True)


def test_sts_that_is_not_there(token: Path, log: pytest.LogCaptureFixture) -> None:
    failure(bucket("http://127.0.0.1:9", token), log, "unreachable", transient=True)


# --- what no token can be -------------------------------------------------------------------------


def missing(path: Path) -> None:
    path.unlink()


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def huge(path: Path) -> None:
    path.write_text("a" * 65_537)


def binary(path: Path) -> None:
    path.write_bytes(b"\xff\xfe" + TOKEN.encode())


FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (missing, "No such file or directory"),
    "a folder": (a_folder, "a directory"),
    "a pipe": (a_pipe, "it is a pipe"),
    "huge": (huge, "it is larger than 65536 bytes"),
    "binary": (binary, "it is no plain text"),
    "empty": (lambda path: path.write_text(" \n"), "is none"),
    "two lines": (lambda path: path.write_text(f"{TOKEN}\n{TOKEN}"), "is none"),
    "one letter": (lambda path: path.write_text("a" * 20_000), "is none"),
    "itself again": (lambda path: path.write_text(f"{'a' * 63}.{'b' * 9}{'a' * 63}."), "is none"),
    "too long": (lambda path: path.write_text("a" * 20_001), "is none"),
    "JSON": (lambda path: path.write_text(f'{{"token": "{TOKEN}"}}'), "is none"),
}


@pytest.mark.parametrize("what", FILES)
def test_what_is_no_token_is_not_sent(
    here: Desk, token: Path, log: pytest.LogCaptureFixture, what: str
) -> None:
    spoil, words = FILES[what]
    spoil(token)
    found = failure(bucket(here.place, token), log, "no-token")
    assert words in found.reason
    assert "web_identity_token_file" in str(found.hint)
    assert here.roles == []


# --- the guard ------------------------------------------------------------------------------------


@pytest.mark.parametrize("changed", ["role", "host"])
def test_a_role_or_place_that_the_perimeter_does_not_name_is_refused(
    here: Desk, token: Path, changed: str
) -> None:
    env = bucket(here.place, token)
    other = (
        bucket(here.place, token, role_arn=f"{ROLE}-2")
        if changed == "role"
        else bucket(here.place, token, sts_endpoint="https://sts.example")
    )
    with stand(env) as one:
        wire = dataclasses.replace(one.wire, perimeter=perimeter_of(other))
        clients = GuardedClients(wire, one.parts)
        with pytest.raises(GuardRefusal) as caught:
            clients.s3().get(KEY)
        clients.close()
        tripped = one.latch.tripped()
    assert tripped is not None
    assert caught.value.code == f"guard.{tripped.rule}"
    assert tripped.rule == ("exchange.role" if changed == "role" else "host.unknown")
    assert here.roles == []
