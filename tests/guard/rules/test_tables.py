"""Each entry of each table in the rules by itself, and edges that only a mutant showed to be open.

A list that lost a member refuses or allows one thing less, which no test of the others notices.
"""

from __future__ import annotations

from typing import Any

import pytest

from rollback.guard.rules.effects import judge_effect
from rollback.guard.rules.judge import locate
from rollback.guard.rules.normal import normalise
from rollback.guard.rules.perimeter import perimeter_of, store_place
from rollback.guard.rules.request import Denial, Normal, Request
from rollback.guard.rules.shapes import names_path, write_without_shape
from rollback.guard.rules.verdicts import EXCHANGE, READS
from rollback.model.effect import FileWrite, Purpose, SelfAddressedBody
from rollback.model.environment import S3Store
from rollback.model.scope import HostKind, Phase, VerdictKind
from rollback.rehearsal.simulator import names
from tests.guard.rules.test_channels import CHANNELS, message
from tests.guard.rules.test_effects import BUCKET, github, judge, store
from tests.guard.rules.test_judge import (
    ARM,
    COSMOS,
    FEED,
    JSON,
    QUERY,
    SQL,
    SWAP_BODY,
    TOKEN,
    allowed,
    chunk,
    denied,
    post,
    put,
    verdict,
)
from tests.guard.rules.test_judge import CREATES as CREATES_ONLY
from tests.guard.support import SITES, environment, exact, swap

JSON_PAIRS = tuple(JSON.items())
LOGIN = f"https://{names.LOGIN_HOST}"


# --- Cosmos ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        "x-ms-cosmos-batch-ordered",
        "x-ms-offer-type",
        "x-ms-cosmos-migrate-offer-to-manual-throughput",
        "x-ms-cosmos-migrate-offer-to-autopilot",
    ],
)
def test_further_headers_that_make_a_write(header: str) -> None:
    denied(post(FEED, {**QUERY, header: "True"}, SQL), "cosmos.writing-header")
    denied(Request("GET", FEED, ((header, "True"),)), "cosmos.writing-header")


@pytest.mark.parametrize(
    "feed",
    [
        "dbs", "dbs/d/colls", "dbs/d/colls/c/docs", "dbs/d/users", "dbs/d/users/u/permissions",
        "dbs/d/colls/c/sprocs", "dbs/d/colls/c/triggers", "dbs/d/colls/c/udfs",
        "dbs/d/colls/c/conflicts", "offers",
    ],
)  # fmt: skip
def test_each_feed_can_be_queried(feed: str) -> None:
    allowed(post(f"{COSMOS}/{feed}", QUERY, SQL))


# --- Resource Manager -----------------------------------------------------------------------------


def test_each_provider_that_is_read() -> None:
    """One by one, and all in one path."""
    group = f"{ARM}/subscriptions/{names.SUBSCRIPTION}/resourceGroups/g"
    each = ("Microsoft.Web/sites/s", "Microsoft.Insights/eventtypes/e", "Microsoft.Authorization/locks/l")
    for provider in each:
        allowed(Request("GET", f"{group}/providers/{provider}"), phase=Phase.OBSERVE)
    together = "".join(f"/providers/{provider}" for provider in each)
    allowed(Request("GET", group + together), phase=Phase.OBSERVE)
    for other in ("Microsoft.KeyVault/vaults/v", "Microsoft.Storage/storageAccounts/s"):
        denied(Request("GET", f"{group}/providers/{other}"), "resource-manager.provider")


def test_each_kind_of_insight_that_is_read() -> None:
    """One by one, and all in one path."""
    group = f"{ARM}/subscriptions/{names.SUBSCRIPTION}/resourceGroups/g/providers"
    each = ("eventtypes", "metrics", "metricdefinitions", "metricnamespaces")
    for kind in each:
        allowed(Request("GET", f"{group}/Microsoft.Insights/{kind}"), phase=Phase.OBSERVE)
    together = "".join(f"/Microsoft.Insights/{kind}" for kind in each)
    allowed(Request("GET", group + together), phase=Phase.OBSERVE)
    for other in ("components/c", "webtests/w", "actionGroups/a", "autoscalesettings/s"):
        asked = Request("GET", f"{group}/Microsoft.Insights/{other}")
        denied(asked, "resource-manager.provider")


@pytest.mark.parametrize(
    "name",
    [
        "hostruntime", "extensions", "dump", "networktrace", "networktraces", "token", "masterkey",
        "publishingcredentials", "publishingusers",
    ],
)  # fmt: skip
def test_each_way_into_a_site(name: str) -> None:
    denied(Request("GET", f"{ARM}{SITES}/x/{name}"), "resource-manager.tunnel")
    denied(Request("GET", f"{ARM}{SITES}/x/{name.upper()}/more"), "resource-manager.tunnel")


# --- the normal form ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        "x-http-method", "x-http-method-override", "x-method-override", "x-original-method",
        "x-original-url", "x-rewrite-url", "x-forwarded-host", "x-host", "forwarded",
        "x-forwarded-uri", "x-original-host", "method-override", "x-override-url", "x-tunneled-method",
    ],
)  # fmt: skip
def test_each_header_that_overrides(header: str) -> None:
    denied(Request("GET", f"{COSMOS}/", ((header.title(), "a"),)), "normal.override")


@pytest.mark.parametrize(
    "query",
    ["_method", "_httpMethod", "X-HTTP-Method", "x-http-method-override", "x-method-override", "$method"],
)
def test_each_query_name_that_overrides(query: str) -> None:
    denied(Request("GET", f"{COSMOS}/?{query}=PUT"), "normal.override")


@pytest.mark.parametrize("name", ["_method", "_Method", "%5Fmethod", "+_method", "$method", "x-http-method", "X-Method-Override"])
@pytest.mark.parametrize("media", ["", "application/x-www-form-urlencoded"])
@pytest.mark.parametrize("form", ["{}=PUT", "a=b&{}=PUT", "a=b;{}", "{}=PUT&a=b"])
def test_a_form_that_overrides(name: str, media: str, form: str) -> None:
    """Rack and others take the method of a POST from its form, typed or not; of a PUT never."""
    headers = (("Content-Type", media),) if media else ()
    body = form.format(name).encode()
    url = f"https://{names.BACKEND}.azurewebsites.net/api/search"
    denied(Request("POST", url, headers, body), "normal.override")
    assert isinstance(normalise(Request("PUT", url, headers, body)), Normal)
    assert isinstance(normalise(Request("POST", url, JSON_PAIRS, body)), Normal)
    assert isinstance(normalise(Request("POST", url, headers, b"a=_method&method=b&" + b"x" * 9)), Normal)


@pytest.mark.parametrize("named", ["If-None-Match", "close, if-match", "x-ms-documentdb-isquery", "", "te"])
def test_a_header_that_takes_others_out(named: str) -> None:
    """What Connection names is dropped by the next server: a condition, or what makes a query of it."""
    for method in ("GET", "PUT"):
        denied(Request(method, f"{COSMOS}/", (("Connection", named),)), "normal.connection")
    for said in ("close", "Keep-Alive", "Upgrade"):
        assert isinstance(normalise(Request("GET", f"{COSMOS}/", (("connection", said),))), Normal)


@pytest.mark.parametrize(
    "header", ["transfer-encoding", "trailer", "x-amz-trailer", "upgrade", "content-range"]
)
def test_each_header_of_another_framing(header: str) -> None:
    denied(Request("GET", f"{COSMOS}/", ((header, "a"),)), "normal.streamed")


@pytest.mark.parametrize("number", ["0xff", "0x7f.0.0.0xf", "0x7f.1", "1.2.3.4.5", "256.1.1.1", "127"])
def test_numbers_that_are_no_address(number: str) -> None:
    outcome = normalise(Request("GET", f"https://{number}/"))
    assert isinstance(outcome, Denial)
    assert outcome.rule == "normal.host"


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("ws://127.0.0.1/", "127.0.0.1:80"),
        ("ws://127.0.0.1:443/", "127.0.0.1:443"),
        ("wss://127.0.0.1:443/", "127.0.0.1"),
        ("http://localhost/", "localhost:80"),
        ("ws://a.example/", None),
        ("http://a.example/", None),
    ],
)
def test_ports_and_plain_schemes(url: str, host: str | None) -> None:
    outcome = normalise(Request("GET", url))
    assert (outcome.host if isinstance(outcome, Normal) else None) == host


# --- tokens ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        f"/{names.TENANT}/v2.0/.well-known/openid-configuration",
        "/common/discovery/instance",
        f"/{names.TENANT}/discovery/keys",
        f"/{names.TENANT}/discovery/v2.0/keys",
    ],
)
def test_each_public_document_of_an_issuer(path: str) -> None:
    assert verdict(Request("GET", LOGIN + path)).rule == "identity.read"
    denied(Request("HEAD", LOGIN + path), "identity.path")
    denied(Request("GET", f"{LOGIN}{path}/x"), "identity.path")


def test_a_second_grant_that_is_blank_is_a_second_grant() -> None:
    """Which of the two counts is for a reader to choose."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    body = b"grant_type=client_credentials&grant_type="
    denied(post(TOKEN, form, body), "exchange.body")


@pytest.mark.parametrize("method", ["DELETE", "HEAD", "POST", "PUT"])
def test_a_metadata_token_is_got(method: str) -> None:
    azure = environment().azure.model_copy(update={"identity": None})
    perimeter = perimeter_of(environment().model_copy(update={"azure": azure}))
    url = "http://169.254.169.254/metadata/identity/oauth2/token"
    request = Request(method, url, (("Metadata", "true"),))
    denied(request, "exchange.metadata", perimeter=perimeter)


# --- the perimeter --------------------------------------------------------------------------------


def test_control_paths_do_not_hang_on_what_the_environment_calls_them() -> None:
    """Three that are always control state, and the two that the environment names."""
    authority = environment().halt_authority.model_copy(
        update={"control_path": "/ops/control", "flags_path": "/ops/flags"}
    )
    perimeter = perimeter_of(environment().model_copy(update={"halt_authority": authority}))
    backend = perimeter.find(f"{names.BACKEND}.azurewebsites.net")
    assert backend is not None
    assert set(backend.control_paths) == {
        "/api/control", "/api/dynamic-config", "/api/feature-flags", "/ops/control", "/ops/flags",
    }  # fmt: skip


def test_a_surface_before_the_backend_in_the_alphabet_is_no_backend() -> None:
    (name, backend), (_, web) = environment().surfaces
    perimeter = perimeter_of(
        environment().model_copy(update={"surfaces": ((name, backend), ("admin", web))})
    )
    found = perimeter.find(f"{names.WEB}.azurewebsites.net")
    assert found is not None
    assert found.kind is HostKind.WEB


def test_where_a_bucket_is_written() -> None:
    """At the virtual host of the service, or below the path of an endpoint of one's own."""
    bucket = S3Store(region="eu", bucket="bucket")
    assert store_place(bucket) == ("bucket.s3.eu.amazonaws.com", "/")
    own = S3Store(region="eu", bucket="bucket", endpoint="http://127.0.0.1:5000")
    assert store_place(own) == ("127.0.0.1:5000", "/bucket/")


def test_hosts_that_only_answer_for_the_evidence() -> None:
    answer = {"name": "status", "host": "status.example", "path": "/now"}
    evidence = {**environment().evidence.model_dump(mode="json"), "answers": [answer]}
    perimeter = perimeter_of(environment(evidence=evidence))
    found = locate("status.example", perimeter)
    assert found is not None
    assert found.kind is HostKind.WEB


# --- permissions ----------------------------------------------------------------------------------


@pytest.mark.parametrize("media", ["application/a", "text/plain", "application/json-patch+json"])
def test_an_exact_message_of_another_type(media: str) -> None:
    told = swap("e", host=names.WEBHOOK_HOST, path="/incident", query=(), body=exact('{"a":1}'))
    url = f"https://{names.WEBHOOK_HOST}/incident"
    allowed(post(url, JSON, b'{ "a": 1 }'), told)
    denied(post(url, {"Content-Type": media}, b'{"a":1}'), "permission.body", told)


@pytest.mark.parametrize("media", ["application/a", "text/plain"])
def test_a_swap_of_another_type(media: str) -> None:
    url = f"{ARM}{SITES}/{names.BACKEND}/slotsswap?api-version=2025-05-01"
    denied(post(url, {"Content-Type": media}, SWAP_BODY), "shape.swap", swap())


@pytest.mark.parametrize("kind", ["PageBlob", "AppendBlob", "zzz", ""])
def test_a_blob_of_another_kind(kind: str) -> None:
    name = "ef797c8118f02dfb649607dd5d3f8c7623048c9c063d532cc95c5ed7a898a64f"
    allowed(put(f"/evidence/{name}", {**CREATES_ONLY, "x-ms-blob-type": "BlockBlob"}, b"12345678"), chunk())
    headers = {**CREATES_ONLY, "x-ms-blob-type": kind}
    denied(put(f"/evidence/{name}", headers, b"12345678"), "permission.header", chunk())


@pytest.mark.parametrize("tail", ["x", "{sha256}x", "{sha512}", "~"])
def test_only_one_word_stands_for_a_digest(tail: str) -> None:
    name = "ef797c8118f02dfb649607dd5d3f8c7623048c9c063d532cc95c5ed7a898a64f"
    astray = chunk(path=f"/evidence/{tail}")
    denied(put(f"/evidence/{name}", CREATES_ONLY, b"12345678"), "permission.none", astray)


# --- shapes and planned effects -------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "DELETE", "PATCH", "PUT", "OPTIONS"])
def test_a_channel_takes_a_post(method: str) -> None:
    refused = write_without_shape(HostKind.CHANNEL, method, "/incident", None, conditional=False)
    assert refused is not None
    assert refused.rule == "shape.channel"


@pytest.mark.parametrize("state", ["approved", "rejectedx", "zzz", ""])
def test_a_deployment_is_rejected_and_nothing_else(state: str) -> None:
    path = f"/repos/{names.REPOSITORY}/actions/runs/7/pending_deployments"
    document = {"state": state}
    refused = write_without_shape(HostKind.PIPELINE, "POST", path, document, conditional=False)
    assert refused is not None
    assert refused.rule == "shape.pipeline"


@pytest.mark.parametrize(
    ("template", "path"),
    [("/a/{incident}/b", "/a/INC-1/b/c"), ("/a/{incident}/b/c", "/a/INC-1/b"), ("/a/~", "/a/INC-1"), ("/a/{key}", "/a/x")],
)
def test_a_template_is_as_long_as_its_path_and_has_one_word(template: str, path: str) -> None:
    assert not names_path(template, path)


@pytest.mark.parametrize("path", ["/a/./b", "/a/../b", "/a//b", "/", "//a", "a"])
def test_a_folder_in_no_normal_form(path: str) -> None:
    seen = judge(FileWrite(id="f", path=path, bytes_max=1, times_max=1))
    assert (seen.kind, seen.rule) == (VerdictKind.DENY, "effect.file")


@pytest.mark.parametrize(
    "query", [(), (("zeta", "1"),), (("api-version", "1"), ("more", "1")), (("a", "1"),)]
)
def test_a_write_at_resource_manager_says_its_version_and_no_more(query: Any) -> None:
    assert judge(swap(query=query)).rule == "effect.query"


def test_a_chunk_creates_by_itself_and_a_manifest_must_say_so() -> None:
    assert judge(store(condition="none")).kind is VerdictKind.ALLOW
    assert isinstance(store().body, SelfAddressedBody)


def test_a_channels_path_opens_nothing_at_another_channel() -> None:
    known = environment(channels=CHANNELS)
    for path, host in (("/services/{key}", "jira.example"), ("/rest/api/2/issue/I/comment", names.WEBHOOK_HOST)):
        seen = judge_effect(message(path, host), perimeter_of(known), known)
        assert seen.rule == "effect.channel"
    for query in (("sig",), ("sig", "sp", "st"), ("sig", "sq"), ("a", "b"), ("tig", "tp")):
        seen = judge_effect(message("/workflows/{key}", names.WEBHOOK_HOST, *query), perimeter_of(known), known)
        assert seen.rule == "effect.channel"


@pytest.mark.parametrize("host", ["api.a-github.example", "api.z-github.example"])
def test_a_pipeline_is_known_by_its_host_too(host: str) -> None:
    """Two servers of pipelines, each with its own repository: neither opens the other's."""
    (name, backend), (other, web) = environment().surfaces
    assert backend.pipeline is not None
    elsewhere = backend.pipeline.model_copy(update={"api_host": host, "repository": "other/one"})
    surfaces = ((name, backend), (other, web.model_copy(update={"pipeline": elsewhere})))
    known = environment().model_copy(update={"surfaces": surfaces})
    path = f"/repos/{names.REPOSITORY}/actions/workflows/deploy.yml/disable"
    here = github("PUT", path)
    assert judge_effect(here, perimeter_of(known), known).kind is VerdictKind.ALLOW
    there = here.model_copy(update={"host": host})
    assert judge_effect(there, perimeter_of(known), known).rule == "effect.pipeline"


# --- what is said ---------------------------------------------------------------------------------


def test_an_allowance_says_why() -> None:
    assert {read.reasons for read in READS.values()} == {("by its shape it only reads",)}
    assert EXCHANGE.reasons == (
        "a token request to the configured host and path, with a configured grant",
    )
    assert judge(swap()).reasons == ("a rule names its shape",)
    assert judge(store(host=BUCKET, purpose=Purpose.EVIDENCE)).reasons == ("a rule names its shape",)
