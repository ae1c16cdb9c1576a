"""Messages to channels: what a secret address leaves open, and not a hair more."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from rollback.guard.rules.effects import judge_effect
from rollback.guard.rules.judge import judge
from rollback.guard.rules.perimeter import perimeter_of
from rollback.guard.rules.request import Request
from rollback.guard.rules.shapes import names_path
from rollback.model.effect import SECRET_VALUE, BoundedBody, HttpWrite, Purpose
from rollback.model.scope import GuardVerdict, HostKind, Phase, Scope, VerdictKind
from rollback.rehearsal.simulator import names
from tests.guard.support import environment, swap

HOST = names.WEBHOOK_HOST
JSON = ("content-type", "application/json")
COMMENTS = f"/repos/{names.REPOSITORY}/issues/{{incident}}/comments"
CHANNELS = [
    {"name": "slack", "kind": "slack", "address": "${A}", "host": HOST, "path": "/services/{key}"},
    {
        "name": "teams",
        "kind": "teams",
        "address": "${A}",
        "host": HOST,
        "path": "/workflows/{key}",
        "query": ["sig", "sp"],
    },
    {
        "name": "github",
        "kind": "github",
        "token": "${T}",
        "host": names.GITHUB_HOST,
        "path": COMMENTS,
    },
    {
        "name": "jira",
        "kind": "jira",
        "token": "${T}",
        "host": "jira.example",
        "path": "/rest/api/2/issue/{incident}/comment",
    },
]
ENVIRONMENT = environment(channels=CHANNELS)
PERIMETER = perimeter_of(ENVIRONMENT)


def message(
    path: str, host: str = HOST, *query: str, purpose: Purpose = Purpose.NOTIFY
) -> HttpWrite:
    return swap(
        "tell#post",
        host=host,
        path=path,
        query=tuple((name, SECRET_VALUE) for name in query),
        body=BoundedBody(bytes_max=100),
        purpose=purpose,
    )


def judged(request: Request, *effects: HttpWrite, phase: Phase = Phase.APPLY) -> GuardVerdict:
    scope = Scope(run="r", step="s", phase=phase, permissions=effects)
    return judge(request, scope, PERIMETER, {effect.id: 1 for effect in effects})


def leaves(method: str, url: str, *effects: HttpWrite, body: bytes = b"{}") -> bool:
    given = (JSON,) if body else ()
    return (
        judged(Request(method, f"https://{url}", given, body), *effects).kind is VerdictKind.ALLOW
    )


def test_the_end_of_a_path_is_open_below_its_prefix() -> None:
    slack = message("/services/{key}")
    assert leaves("POST", f"{HOST}/services/T0/B0/secret", slack)
    for other in ("/services", "/services/", "/service/T0", "/incident", "/services/../x"):
        assert not leaves("POST", f"{HOST}{other}", slack)
    assert not leaves("PUT", f"{HOST}/services/T0/B0/secret", slack)
    assert not leaves("POST", f"{HOST}/services/T0?x=1", slack)


def test_a_secret_value_of_a_query_is_open_and_its_name_is_not() -> None:
    teams = message("/workflows/{key}", HOST, "sig", "sp")
    assert leaves("POST", f"{HOST}/workflows/f1?sig=secret&sp=%2Frun", teams)
    for query in (
        "",
        "?sig=a",
        "?sp=b",
        "?sig=a&sp=b&sv=c",
        "?sig=a&sq=b",
        "?pin=a&sig=b",
        "?sig=&sp=b",
    ):
        assert not leaves("POST", f"{HOST}/workflows/f1{query}", teams)


@pytest.mark.parametrize("said", ["!", "~", SECRET_VALUE + "s"])
def test_a_value_that_is_no_secret_is_not_open(said: str) -> None:
    mixed = message("/workflows/{key}", HOST, "sig").model_copy(
        update={"query": (("sig", SECRET_VALUE), ("v", said))}
    )
    assert leaves("POST", f"{HOST}/workflows/f1?sig=a&v={quote(said)}", mixed)
    for other in ("1", "{secret}", "{other}", ""):
        assert not leaves("POST", f"{HOST}/workflows/f1?sig=a&v={quote(other)}", mixed), other


def test_no_other_write_has_open_values() -> None:
    """The same words in a plan that somebody edited open nothing anywhere else."""
    loose = swap(query=(("api-version", SECRET_VALUE),))
    assert not leaves("POST", f"{loose.host}{loose.path}?api-version=2025-05-01", loose)


def test_a_comment_goes_to_its_issue_and_is_a_body_alone() -> None:
    path = COMMENTS.replace("{incident}", "4711")
    host = names.GITHUB_HOST
    comment = message(path, host)
    assert leaves("POST", f"{host}{path}", comment, body=b'{"body":"x"}')
    for body in (b"{}", b'{"body":"x","a":1}', b"[]", b"x", b""):
        assert not leaves("POST", f"{host}{path}", comment, body=body)
    assert not leaves(
        "POST", f"{host}{path.replace('4711', '4712')}", comment, body=b'{"body":"x"}'
    )
    assert not leaves("POST", f"{host}{path}", body=b'{"body":"x"}')
    for method in ("PATCH", "PUT", "DELETE"):
        edit = comment.model_copy(update={"method": method})
        assert not leaves(method, f"{host}{path}", edit, body=b'{"body":"x"}')
    plain = Request("POST", f"https://{host}{path}", (("content-type", "text/plain"),), b"x")
    assert judged(plain, comment).kind is VerdictKind.DENY


@pytest.mark.parametrize(
    ("effect", "allowed"),
    [
        (message("/services/{key}"), True),
        (message("/workflows/{key}", HOST, "sig", "sp"), True),
        (message("/workflows/{key}", HOST, "sig"), False),
        (message("/services/{key}", HOST, "sig"), False),
        (message("/{key}"), False),
        (message(COMMENTS.replace("{incident}", "1"), names.GITHUB_HOST), True),
        (
            message(
                COMMENTS.replace("{incident}", "1").replace("comments", "labels"), names.GITHUB_HOST
            ),
            False,
        ),
        (message("/repos/other/one/issues/1/comments", names.GITHUB_HOST), False),
        (
            message(
                COMMENTS.replace("{incident}", "1"), names.GITHUB_HOST, purpose=Purpose.EVIDENCE
            ),
            False,
        ),
        (message("/rest/api/2/issue/INC-1/comment", "jira.example"), True),
        (message("/rest/api/2/issue/INC-1/transitions", "jira.example"), False),
    ],
)
def test_the_planners_fence_knows_the_channels(effect: HttpWrite, allowed: bool) -> None:
    verdict = judge_effect(effect, PERIMETER, ENVIRONMENT)
    assert (verdict.kind is VerdictKind.ALLOW) is allowed, verdict


def test_only_what_was_posted_can_be_read_at_a_channel() -> None:
    assert PERIMETER.find("jira.example").kind is HostKind.CHANNEL  # type: ignore[union-attr]
    for path, allowed in (
        ("/rest/api/2/issue/INC-1/comment?maxResults=100", True),
        ("/rest/api/2/issue/INC-1/comment/7", False),
        ("/rest/api/2/issue/INC-1", False),
        ("/rest/api/2/issue/INC-1%20/comment", False),
    ):
        request = Request("GET", f"https://jira.example{path}")
        assert (judged(request, phase=Phase.OBSERVE).kind is VerdictKind.ALLOW) is allowed, path
    assert judged(Request("GET", f"https://{HOST}/services/x")).kind is VerdictKind.DENY
    for method in ("HEAD", "OPTIONS", "DELETE"):
        other = Request(method, "https://jira.example/rest/api/2/issue/INC-1/comment")
        assert judged(other, phase=Phase.OBSERVE).kind is VerdictKind.DENY, method


def test_a_segment_stands_for_an_incident_and_for_nothing_else() -> None:
    assert names_path("/a/{incident}/b", "/a/INC-1/b")
    for other in ("/a//b", "/a/../b", "/a/x/y/b", "/a/x/c", "/a/x y/b", "/a/-x/b", "/a/b"):
        assert not names_path("/a/{incident}/b", other)
