"""What the journal may hold of a request."""

from __future__ import annotations

import hashlib
from typing import Any

from rollback.guard.rules.judge import decide
from rollback.guard.rules.perimeter import perimeter_of
from rollback.guard.rules.request import Request
from rollback.guard.rules.shape_of import shape_of
from rollback.model.scope import Phase, Scope, Shape
from rollback.rehearsal.simulator import names
from tests.guard.support import SWAP_PATH, environment, swap

PERIMETER = perimeter_of(environment())
JSON = ("Content-Type", "application/json")


def shape(request: Request, *effects: Any) -> Shape:
    scope = Scope(run="r", step="s", phase=Phase.APPLY, permissions=effects)
    seen, normal = decide(request, scope, PERIMETER, {effect.id: 1 for effect in effects})
    return shape_of(request, normal, seen, PERIMETER)


def test_a_permitted_write_is_kept_whole_but_for_its_content() -> None:
    body = b'{"targetSlot":"staging","preserveVnet":true}'
    url = f"https://{names.ARM_HOST}{SWAP_PATH}?api-version=2025-05-01"
    kept = shape(Request("POST", url, (JSON, ("x-request-id", "r.1")), body), swap())
    assert kept == Shape(
        method="POST",
        host=names.ARM_HOST,
        path=SWAP_PATH,
        query_names=("api-version",),
        content_type="application/json",
        body_bytes=len(body),
        body_sha256=hashlib.sha256(body).hexdigest(),
        request_id="r.1",
    )


def test_a_refused_write_keeps_no_digest_of_its_body() -> None:
    """A short secret could be found from it."""
    url = f"https://{names.ARM_HOST}{SWAP_PATH}?api-version=2025-05-01"
    kept = shape(Request("POST", url, (JSON,), b"{}"))
    assert (kept.path, kept.body_bytes, kept.body_sha256) == (SWAP_PATH, 2, None)


def test_paths_that_may_be_secret_are_cut() -> None:
    """At channels, and at hosts that nobody knows."""
    for host in (names.WEBHOOK_HOST, "elsewhere.example"):
        kept = shape(Request("POST", f"https://{host}/services/T0/hunter2", (JSON,), b"{}"))
        assert kept.path == "/services/..."
        assert len(shape(Request("POST", f"https://{host}/{'x' * 99}")).path) == 32
        assert shape(Request("PUT", f"https://{host}/", (), b"x")).path == "/"
    known = shape(Request("PUT", f"https://{names.BACKEND}.azurewebsites.net/a/b"))
    assert known.path == "/a/b"


def test_what_has_no_normal_form_keeps_its_host_at_most() -> None:
    kept = shape(Request("POST" * 9, "https://u:hunter2@A.example./x", (), b"123"))
    assert kept == Shape(method="POST" * 4, host="a.example.", path="?", body_bytes=3)
    odd: Any = Request(7, 8, (), "text")  # type: ignore[arg-type]
    assert shape(odd) == Shape(method="?", host="?", path="?")
    assert shape(Request("GET", "nowhere")).host == "?"


def test_a_long_path_is_cut() -> None:
    url = f"https://{names.BACKEND}.azurewebsites.net/{'x' * 900}"
    assert len(shape(Request("PUT", url)).path) == 512
