"""A sign-in service that is hostile, or broken: no secret leaves, and the error says what it was."""

from __future__ import annotations

import gzip
import logging
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from rollback.connectors import token_answers
from rollback.connectors.token_answers import LASTS_S_MAX, TOKEN_CHARACTERS_MAX, Limits
from rollback.errors import ConnectorError, ExitStatus, GuardRefusal, RollbackError
from rollback.guard.wire import bounded_answer, timed_answer
from rollback.rehearsal.simulator import names
from tests.connectors.loopback import answer, serving
from tests.connectors.sign_in import (
    DISCOVERY,
    ELSEWHERE,
    GIVEN,
    TOKEN,
    Desk,
    Said,
    desk_in,
    said,
)
from tests.connectors.stand import BACKEND, Stand, environment, stand

ECHO = names.CLIENT_SECRET


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with desk_in(tmp_path) as here:
        yield here


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """All that any library says to whoever listens closely."""
    caplog.set_level(logging.INFO)
    return caplog


def failure(here: Stand, log: pytest.LogCaptureFixture, *unsaid: str) -> ConnectorError:
    """The error of a read that needs a token; what must be nowhere is in none of its places."""
    with pytest.raises(ConnectorError) as caught:
        here.clients.arm().deployments(BACKEND)
    shown = "".join(traceback.format_exception(caught.value)) + repr(here.exchanges.seen_all)
    for secret in (ECHO, *unsaid):
        assert secret not in shown + log.text
    assert here.latch.tripped() is None, "an odd answer does not end the run"
    assert caught.value.exit_status is ExitStatus.PERSON
    assert caught.value.hint
    return caught.value


def with_(**changes: Any) -> Callable[[], Said]:
    return lambda: said("200 OK", {**GIVEN, **changes})


def as_is(body: bytes, status: str = "200 OK", kind: str = "application/json") -> Callable[[], Said]:
    return lambda: said(status, body, kind=kind)


def numbered(number: bytes) -> Callable[[], Said]:
    return as_is(b'{"token_type": "Bearer", "access_token": "a.b", "expires_in": %s}' % number)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("asked", ["token", "discovery"])
def test_no_answer_takes_the_secret_elsewhere(
    desk: Desk, log: pytest.LogCaptureFixture, status: int, asked: str
) -> None:
    where = f"Location: https://{ELSEWHERE}/token"
    setattr(desk, asked, lambda: said(f"{status} Moved", b"", where))
    with stand(desk.environment()) as here:
        error = failure(here, log)
    assert (error.code, error.status, error.transient) == ("app-service.refused", None, False)
    assert f"points elsewhere ({status})" in error.reason
    assert not desk.asked(ELSEWHERE)
    assert not desk.asked(names.ARM_HOST)
    assert len(desk.asked(names.LOGIN_HOST, "/token")) == (asked == "token")


@pytest.mark.parametrize(
    "place",
    [
        f"https://{ELSEWHERE}/{names.TENANT}/oauth2/v2.0/token",
        f"https://{names.LOGIN_HOST}/other/oauth2/v2.0/token",
        f"http://{names.LOGIN_HOST}/{names.TENANT}/oauth2/v2.0/token",
        f"https://{names.ARM_HOST}/subscriptions",
        5,
        None,
    ],
)
def test_tokens_are_asked_for_where_the_environment_says(desk: Desk, place: Any) -> None:
    """Whatever the public document of the tenant names, and though it names nothing."""
    desk.discovery = lambda: said("200 OK", {**DISCOVERY, "token_endpoint": place})
    with stand(desk.environment()) as here:
        here.clients.arm().deployments(BACKEND)
    asked = [whole for _, _, whole in desk.heard if ECHO.encode() in whole]
    (one,) = asked
    assert one.startswith(f"POST /{names.TENANT}/oauth2/v2.0/token ".encode())
    assert desk.asked(names.LOGIN_HOST, "/token") == asked
    assert here.latch.tripped() is None


UNREADABLE: dict[str, Callable[[], Said]] = {
    "a page": as_is(f"<html>{ECHO}</html>".encode(), kind="text/html"),
    "a page called JSON": as_is(f"<html>{ECHO}</html>".encode()),
    "nothing": as_is(b""),
    "a list": lambda: said("200 OK", [GIVEN]),
    "a text": lambda: said("200 OK", ECHO),
    "null": as_is(b"null"),
    "nested deep": as_is(b"[" * 100_000),
    "no letters": as_is(b'{"access_token": "\xff"}'),
    "an entity of entities": as_is(b'<!DOCTYPE a [<!ENTITY a "a">]><a>&a;</a>', kind="text/xml"),
    "an error that repeats the secret": lambda: said(
        "200 OK", {"error": ECHO, "error_description": f"you said {ECHO}"}
    ),
    "no token": lambda: said("200 OK", {"token_type": "Bearer", "expires_in": 3600, "a": ECHO}),
    "an empty token": with_(access_token=""),
    "a line break": with_(access_token="a\r\nX-Evil: 1"),
    "a line break at its end": with_(access_token="a.b\n"),
    "no ASCII": with_(access_token="tök\u20acn"),
    "half a letter": with_(access_token="a\ud800"),
    "a number": with_(access_token=5),
    "a list as token": with_(access_token=[TOKEN]),
    "one letter too long": with_(access_token="a" * (TOKEN_CHARACTERS_MAX + 1)),
    "a megabyte": with_(access_token="a" * 2**20),
    "another kind": with_(token_type="pop"),
    "a kind that is none": with_(token_type=[ECHO]),
    "no time": lambda: said("200 OK", {"token_type": "Bearer", "access_token": TOKEN}),
    "null as time": with_(expires_in=None),
    "a list as time": with_(expires_in=[ECHO]),
    "a word as time": with_(expires_in=ECHO),
    "true": with_(expires_in=True),
    "none left": with_(expires_in=0),
    "negative": with_(expires_in=-5),
    "negative digits": with_(expires_in="-5"),
    "no number": numbered(b"NaN"),
    "infinite": numbered(b"Infinity"),
    "beyond a float": numbered(b"1e400"),
    "beyond any float": numbered(b"9" * 400),
    "beyond an int": numbered(b"9" * 5_000),
    "beyond a year": with_(expires_in=LASTS_S_MAX + 1),
    "digits in another script": with_(expires_in="\u0663\u0666\u0660\u0660"),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_what_is_no_token_is_told_as_that(
    desk: Desk, log: pytest.LogCaptureFixture, what: str
) -> None:
    desk.token = UNREADABLE[what]
    with stand(desk.environment()) as here:
        error = failure(here, log)
    assert (error.code, error.status, error.transient) == ("app-service.unreadable", None, False)
    assert "no token was had: what the sign-in service answered" in error.reason
    assert not desk.asked(names.ARM_HOST)


@pytest.mark.parametrize(
    "changes",
    [
        {"expires_in": "3600"},
        {"expires_in": 3600.5},
        {"expires_in": 1},
        {"expires_in": LASTS_S_MAX},
        {"access_token": "a" * TOKEN_CHARACTERS_MAX},
        {"token_type": "bearer"},
        {"id_token": f"{ECHO}.b.c"},
        {"refresh_in": ECHO},
        {"ext_expires_in": [ECHO], "expires_on": ECHO},
        {"scope": [1]},
        {"client_info": ECHO},
    ],
    ids=str,
)
def test_a_sound_token_is_used_whatever_stands_beside_it(
    desk: Desk, log: pytest.LogCaptureFixture, changes: dict[str, Any]
) -> None:
    desk.token = with_(**changes)
    with stand(desk.environment()) as here:
        here.clients.arm().deployments(BACKEND)
        here.clients.arm().deployments(BACKEND)
    token = f"\r\nAuthorization: Bearer {changes.get('access_token', TOKEN)}\r\n".encode()
    assert [token in whole for whole in desk.asked(names.ARM_HOST)] == [True, True]
    assert ECHO not in log.text


@pytest.mark.parametrize(
    ("status", "code", "transient"),
    [
        (400, "denied", False),
        (401, "denied", False),
        (403, "denied", False),
        (404, "refused", False),
        (418, "refused", False),
        (201, "refused", False),
        (408, "unavailable", True),
        (429, "throttled", True),
        (500, "unavailable", True),
        (503, "unavailable", True),
    ],
)
@pytest.mark.parametrize("asked", ["token", "discovery"])
def test_a_refusal_says_by_whom_and_repeats_nothing(
    desk: Desk, log: pytest.LogCaptureFixture, status: int, code: str, transient: bool, asked: str
) -> None:
    """What says nothing of the thing read is no status of it; what may pass is asked again."""
    body = {"error": ECHO, "error_description": f"you said {ECHO}"}
    setattr(desk, asked, lambda: said(f"{status} No", body, "Retry-After: 9999"))
    with stand(desk.environment()) as here:
        error = failure(here, log)
        waited = sum(here.clock.waited)
    assert (error.code, error.transient) == (f"app-service.{code}", transient)
    assert error.status == (401 if code == "denied" else None)
    assert "no token was had: the sign-in service" in error.reason
    assert str(status) in error.reason
    assert 0 < waited < 60 if transient else not waited


def test_the_reason_that_the_service_numbers_is_told(
    desk: Desk, log: pytest.LogCaptureFixture
) -> None:
    told = f"AADSTS7000222: the secret {ECHO} has expired"
    body = {"error": "invalid_client", "error_description": told}
    desk.token = lambda: said("401 Unauthorized", body)
    with stand(desk.environment()) as here:
        error = failure(here, log)
    assert "did not accept the credential (AADSTS7000222)" in error.reason


def without_end() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    while True:
        yield b"10000\r\n" + b" " * 65_536 + b"\r\n"


@pytest.mark.parametrize("packed", [False, True])
def test_an_answer_without_end_is_not_waited_for(
    desk: Desk, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    monkeypatch.setattr(bounded_answer, "BYTES_MAX", 2**20)
    bomb = gzip.compress(bytes(2**21))
    desk.token = (
        (lambda: said("200 OK", bomb, "Content-Encoding: gzip")) if packed else without_end
    )
    with stand(desk.environment()) as here:
        error = failure(here, log)
    assert error.code == "app-service.unreadable"
    assert "larger, or takes longer, than it may" in error.reason


def test_interim_answers_without_end_are_not_waited_for(
    desk: Desk, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sound answer comes after them, and too late."""
    monkeypatch.setattr(timed_answer, "SECONDS_MAX", -1.0)
    desk.token = lambda: [b"HTTP/1.1 100 Continue\r\n\r\n" * 2_000, said("200 OK", GIVEN)]
    with stand(desk.environment()) as here:
        error = failure(here, log)
    assert (error.code, error.transient) == ("app-service.timeout", True)


def silent(ended: Event) -> Iterator[bytes]:
    """Nothing, until the test is over."""
    ended.wait(20)
    yield b""


def test_a_sign_in_service_that_says_nothing_is_not_waited_for(
    desk: Desk, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_answers, "SIGN_IN", Limits(5.0, 0.1))
    ended = Event()
    desk.token = lambda: silent(ended)
    with stand(desk.environment()) as here:
        error = failure(here, log)
    ended.set()
    assert (error.code, error.transient) == ("app-service.timeout", True)


def test_nor_is_a_metadata_endpoint(
    log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(token_answers, "METADATA", Limits(5.0, 0.1))
    ended = Event()
    with serving(lambda _: silent(ended)) as little, stand(on_a_machine(little.host)) as here:
        error = failure(here, log)
        ended.set()
    assert error.code == "app-service.denied"
    assert "no response from the IMDS endpoint" in error.reason


def test_what_the_head_of_an_answer_repeats_is_in_no_log(
    desk: Desk, log: pytest.LogCaptureFixture
) -> None:
    log.set_level(logging.DEBUG, "azure")
    desk.token = lambda: said("401 No", {"error": ECHO}, f"Server: {ECHO}", f"ETag: {ECHO}")
    with stand(desk.environment()) as here:
        failure(here, log)


@pytest.mark.parametrize("system", ["cosmos", "blob-store"])
def test_whatever_takes_a_token_takes_a_sound_one_only(
    desk: Desk, log: pytest.LogCaptureFixture, system: str
) -> None:
    desk.token = with_(access_token=[ECHO])
    cosmos = {
        "endpoint": f"https://{names.COSMOS_HOST}",
        "database": names.DATABASE,
        "entra": True,
        "account": names.COSMOS_ACCOUNT,
        "control_containers": ["dynamic_config"],
        "audit_containers": ["audit_log"],
    }
    store = {"kind": "azure-blob", "endpoint": "https://a.blob.example", "container": "evidence"}
    with stand(desk.environment(cosmos=cosmos, evidence={"store": store})) as here:
        reads: dict[str, Callable[[], object]] = {
            "cosmos": lambda: here.clients.cosmos().parts("audit_log"),
            "blob-store": lambda: here.clients.blobs().get("key"),
        }
        with pytest.raises(ConnectorError) as caught:
            reads[system]()
        assert here.latch.tripped() is None
    assert caught.value.code == f"{system}.unreadable"
    assert "no token was had" in caught.value.reason
    assert ECHO not in log.text + "".join(traceback.format_exception(caught.value))


def on_a_machine(place: str) -> Any:
    """No service principal; the metadata endpoint is at `place`."""
    azure = {"subscription": names.SUBSCRIPTION, "resource_group": names.RESOURCE_GROUP}
    return environment(azure=azure, network={"resolve": [("169.254.169.254", place)]})


OF_METADATA = {
    "a page": (answer("200 OK", f"<html>{ECHO}".encode()), "denied"),
    "a list": (answer("200 OK", b"[1]"), "denied"),
    "no identity": (answer("400 Bad", b'{"error": "%s"}' % ECHO.encode()), "denied"),
    "a word as time": (answer("200 OK", b'{"access_token": "a", "expires_in": "x"}'), "denied"),
    "beyond a float": (answer("200 OK", b'{"access_token": "a", "expires_in": 1e400}'), "denied"),
    "a line break": (answer("200 OK", b'{"access_token": "a\\nb", "expires_in": 9}'), "denied"),
    "elsewhere": (answer("307 Moved", b"", f"Location: http://{ELSEWHERE}/"), "denied"),
    "busy": (answer("429 Slow", b"", "Retry-After: 9999"), "throttled"),
    "gone for now": (answer("410 Gone", b""), "denied"),
    "broken": (answer("500 No", f'{{"error": "{ECHO}"}}'.encode()), "unavailable"),
}


@pytest.mark.parametrize("what", OF_METADATA)
def test_a_metadata_endpoint_that_is_none(
    what: str, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")  # no login of a person
    whole, code = OF_METADATA[what]
    with serving(lambda _: whole) as little, stand(on_a_machine(little.host)) as here:
        error = failure(here, log)
        assert all(b"GET /metadata/identity/oauth2/token?" in one for one in little.asked)
    assert error.code == f"app-service.{code}"
    assert "the metadata endpoint" in error.reason
    assert sum(here.clock.waited) < 60


@pytest.mark.parametrize(
    "variables",
    [
        {"IDENTITY_ENDPOINT": "http://{}/msi/token", "IDENTITY_HEADER": ECHO},
        {"MSI_ENDPOINT": "http://{}/msi/token", "MSI_SECRET": ECHO},
        {"MSI_ENDPOINT": "http://{}/msi/token"},
        {"IDENTITY_ENDPOINT": "http://{}/msi/token", "IMDS_ENDPOINT": "http://{}"},
        {"AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://{}"},
    ],
    ids=",".join,
)
def test_no_variable_of_the_process_names_who_is_asked_for_tokens(
    variables: dict[str, str], log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    given = b'{"access_token": "a.b", "expires_in": 3600, "expires_on": 9999999999}'
    with serving(lambda _: answer("200 OK", given)) as little:
        for name, value in variables.items():
            monkeypatch.setenv(name, value.format(little.host))
        with stand(on_a_machine("127.0.0.1:9")) as here, pytest.raises(RollbackError) as caught:
            here.clients.arm().deployments(BACKEND)
        assert little.asked == []
    assert isinstance(caught.value, GuardRefusal)
    assert ECHO not in log.text + "".join(traceback.format_exception(caught.value))
