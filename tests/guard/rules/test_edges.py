"""The other side of each comparison in the rules: what a mutant that reads `<` for `!=` lets through."""

from __future__ import annotations

import hashlib
import json
from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from rollback.guard.rules.directions import judge_direction
from rollback.guard.rules.exchange import MANAGED_IDENTITY
from rollback.guard.rules.json_body import BODY_BYTES_MAX, NotOneReadingError, digest, parse
from rollback.guard.rules.judge import locate
from rollback.guard.rules.normal import normalise
from rollback.guard.rules.perimeter import perimeter_of
from rollback.guard.rules.request import Denial, Normal, Request
from rollback.guard.rules.shape_of import shape_of
from rollback.guard.rules.shapes import write_without_shape
from rollback.model.change import Update
from rollback.model.direction import Direction
from rollback.model.effect import BoundedBody, ExactBody, FileWrite, HttpWrite, NoBody
from rollback.model.scope import CredentialExchange, GuardedHost, HostKind, Perimeter, VerdictKind
from rollback.rehearsal.simulator import names
from tests.guard.rules.test_effects import (
    GOOD_IMAGE,
    OWN_FOLDER,
    configuration,
    image,
    judge,
    store,
)
from tests.guard.rules.test_judge import (
    ARM,
    BACKEND,
    FEED,
    PERIMETER,
    PLAN,
    QUERY,
    SQL,
    VERSION,
    allowed,
    denied,
    post,
    verdict,
)
from tests.guard.support import SITES, SWAP_PATH, environment, swap

JSON = {"Content-Type": "application/json"}
BODY = b'{"preserveVnet":true,"targetSlot":"staging"}'
TOKEN = f"https://{names.LOGIN_HOST}/{names.TENANT}/oauth2/v2.0/token"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


# --- Cosmos ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("media", ["application/json", "application/xml", "text/plain", "a/b"])
def test_a_query_of_another_type(media: str) -> None:
    denied(post(FEED, {**QUERY, "Content-Type": media}, SQL), "cosmos.query-type")


@pytest.mark.parametrize("feed", ["colls/c/sprocs", "users", "colls/c/conflicts", "colls"])
def test_a_query_plan_of_another_feed(feed: str) -> None:
    url = f"{FEED.partition('/colls')[0]}/{feed}"
    denied(post(url, PLAN, SQL), "cosmos.query-plan")


@pytest.mark.parametrize("media", ["a/b", "application/query+json", "text/plain"])
def test_a_query_plan_of_another_type(media: str) -> None:
    denied(post(FEED, {**PLAN, "Content-Type": media}, SQL), "cosmos.query-plan")


@pytest.mark.parametrize("said", ["", "false", "1", "t", "truer", "yes", "zz"])
def test_a_flag_of_a_query_says_true(said: str) -> None:
    denied(post(FEED, {**QUERY, "x-ms-documentdb-isquery": said}, SQL), "cosmos.not-a-query")
    flagged = {**PLAN, "x-ms-cosmos-is-query-plan-request": said}
    denied(post(FEED, flagged, SQL), "cosmos.not-a-query")


def _cosmos(*hosts: str) -> Perimeter:
    return Perimeter(hosts=tuple(GuardedHost(host=host, kind=HostKind.COSMOS) for host in hosts))


def test_a_region_of_the_account_and_of_no_other() -> None:
    """Whichever account stands first in the perimeter; zone and port are the account's own."""
    web = GuardedHost(host="w.example", kind=HostKind.WEB)
    one, two = _cosmos("b.documents.azure.com", "a.documents.azure.com").hosts
    for hosts in ((web, one, two), (two, one, web), (one, web, two)):
        known = Perimeter(hosts=hosts)
        for account in ("a", "b"):
            found = locate(f"{account}-westeurope.documents.azure.com", known)
            assert found is not None
            assert found.kind is HostKind.COSMOS
        assert locate("c-westeurope.documents.azure.com", known) is None
    for account in ("m.documents.azure.com", "m.documents.azure.com:8443"):
        for zone in ("documents.azure.cn", "documents.azure.us", "cosmos.azure.com", "table.cosmos.azure.com"):
            assert locate(f"m-eu.{zone}", _cosmos(account)) is None
    known = _cosmos("m.documents.azure.com:8443")
    assert locate("m-eu.documents.azure.com:8443", known) is not None
    for port in ("", ":80", ":8442", ":9000"):
        assert locate(f"m-eu.documents.azure.com{port}", known) is None


@pytest.mark.parametrize(
    "host",
    ["x.cosmos.azure.com", "x.mongo.cosmos.azure.com", "x.table.cosmos.azure.com", "x.documents.azure.us"],
)
def test_a_cosmos_name_is_cosmos_whatever_it_is_called(host: str) -> None:
    """In a perimeter that calls it a web host, and in one that does not know it."""
    called = Perimeter(hosts=(GuardedHost(host=host, kind=HostKind.WEB),))
    seen = verdict(Request("PUT", f"https://{host}/a", (), b"{}"), perimeter=called)
    assert (seen.rule, seen.promise) == ("cosmos.method", "no-control-plane-rewrite")
    seen = verdict(Request("GET", f"https://{host}/a"))
    assert (seen.rule, seen.promise) == ("host.unknown", "no-control-plane-rewrite")


# --- normal form ----------------------------------------------------------------------------------


def normal(*headers: tuple[str, str], url: str = "https://a.example/", body: bytes = b"") -> Normal:
    found = normalise(Request("POST", url, headers, body))
    assert isinstance(found, Normal), found
    return found


def test_ports_at_their_end() -> None:
    assert normal(url="https://a.example:65535/").host == "a.example:65535"
    for port in ("65536", "65537", "99999", "0", "00443"):
        found = normalise(Request("GET", f"https://a.example:{port}/"))
        assert isinstance(found, Denial)
        assert found.rule == "normal.port"


@pytest.mark.parametrize("port", ["1", "80", "400", "442", "444", "4000", "4430", "8443", "9"])
def test_any_port_but_the_default_is_another_host(port: str) -> None:
    """Before 443 in the alphabet and after it."""
    assert normal(url=f"https://a.example:{port}/").host == f"a.example:{port}"
    assert normal(url="https://a.example:443/").host == "a.example"
    denied(Request("GET", f"{ARM}:{port}{SITES}"), "host.unknown")


@pytest.mark.parametrize(
    "host", ["10.0.0.1", "1.1.1.1", "169.254.169.253", "169.254.169.255", "2.example", "z.example"]
)
def test_unencrypted_only_on_this_machine(host: str) -> None:
    """Below and above the metadata address, which is the one exception."""
    found = normalise(Request("GET", f"http://{host}/"))
    assert isinstance(found, Denial)
    assert found.rule == "normal.scheme"
    assert normal(url="http://169.254.169.254/").host == "169.254.169.254:80"


@pytest.mark.parametrize("coding", ["br", "deflate", "gzip", "identity, gzip", "x-gzip", "zstd", ""])
def test_a_coded_body(coding: str) -> None:
    found = normalise(Request("POST", "https://a.example/", (("Content-Encoding", coding),), b"{}"))
    assert isinstance(found, Denial)
    assert found.rule == "normal.coding"
    assert normal(("Content-Encoding", "Identity"), body=b"{}").body == b"{}"


def test_a_host_of_253_letters_is_the_longest() -> None:
    longest = "a" * 245 + ".example"
    assert normal(url=f"https://{longest}/").host == longest
    assert isinstance(normalise(Request("GET", f"https://a{longest}/")), Denial)


@pytest.mark.parametrize("name", ["a\nb", "a\nb\nc", "a\n", "\na", "\n\n", ""])
def test_a_header_name_with_line_ends(name: str) -> None:
    for more in ((), (("b", "1"), ("c", "1"), ("d", "1"))):
        found = normalise(Request("GET", "https://a.example/", ((name, "1"), *more)))
        assert isinstance(found, Denial)
        assert found.rule == "normal.headers"


@pytest.mark.parametrize("tail", ["", ";charset=utf-8", '; charset="UTF-8"'])
def test_the_content_type_is_told_without_its_charset(tail: str) -> None:
    assert normal(("Content-Type", f"Application/JSON{tail}")).media_type == "application/json"


# --- JSON -----------------------------------------------------------------------------------------


def test_a_body_of_a_mebibyte_is_the_longest() -> None:
    longest = b'"' + b"a" * (BODY_BYTES_MAX - 2) + b'"'
    assert BODY_BYTES_MAX == 1_048_576
    assert len(parse(longest)) == BODY_BYTES_MAX - 2
    with pytest.raises(NotOneReadingError):
        parse(longest + b" ")


def test_what_has_no_canonical_form() -> None:
    nested: Any = []
    for _ in range(100_000):
        nested = [nested]
    for document in (2**53, -(2**53), float("inf"), nested):
        with pytest.raises(NotOneReadingError, match="no canonical form"):
            digest(document)
    with pytest.raises(NotOneReadingError, match="RecursionError"):
        parse(b"[" * 100_000)


# --- token requests, sockets, writes --------------------------------------------------------------


def test_a_token_request_of_64_kibibytes_is_the_longest() -> None:
    body = b"grant_type=client_credentials&x="
    longest = body + b"a" * (65_536 - len(body))
    allowed(post(TOKEN, FORM, longest))
    denied(post(TOKEN, FORM, longest + b"a"), "exchange.body")


def test_a_token_request_of_64_fields_is_the_longest() -> None:
    fields = ["grant_type=client_credentials", *(f"x{number}=" for number in range(63))]
    allowed(post(TOKEN, FORM, "&".join(fields).encode()))
    denied(post(TOKEN, FORM, "&".join((*fields, "y=")).encode()), "exchange.body")


@pytest.mark.parametrize("said", ["", "false", "t", "tru", "truer", "true,true", "yes", "zz"])
def test_the_metadata_address_is_asked_in_its_own_way(said: str) -> None:
    place = CredentialExchange(
        host="169.254.169.254:80", path="/metadata/identity/oauth2/token", grants=(MANAGED_IDENTITY,)
    )
    known = Perimeter(
        hosts=(GuardedHost(host=place.host, kind=HostKind.IDENTITY),), exchanges=(place,)
    )
    url = f"http://169.254.169.254{place.path}"
    denied(Request("GET", url, (("Metadata", said),)), "exchange.metadata", perimeter=known)
    allowed(Request("GET", url, (("Metadata", "True"),)), perimeter=known)


@pytest.mark.parametrize("media", ["application/jose", "application/xml", "text/plain", "a/b", ""])
def test_a_token_request_of_another_type(media: str) -> None:
    headers = {"Content-Type": media} if media else {}
    denied(post(TOKEN, headers, b'{"grant_type":"client_credentials"}'), "exchange.body")
    denied(post(TOKEN, headers, b"grant_type=client_credentials"), "exchange.body")


@pytest.mark.parametrize("method", ["DELETE", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"])
def test_a_web_socket_opens_by_get_only(method: str) -> None:
    denied(Request(method, f"{BACKEND.replace('https', 'wss')}/live"), "socket")


def test_a_write_outside_the_subscription_is_no_write_of_the_plan() -> None:
    """Though a permission names it to the letter: the refusal is not one that a plan can lift."""
    other = SWAP_PATH.replace(names.SUBSCRIPTION, "11111111-1111-1111-1111-111111111111")
    effect = swap(path=other)
    request = post(f"{ARM}{other}{VERSION}", JSON, BODY)
    denied(request, "resource-manager.subscription", effect)


@pytest.mark.parametrize("method", ["DELETE", "PATCH", "PUT"])
def test_a_permission_for_another_method(method: str) -> None:
    """Before and after it in the alphabet."""
    request = post(f"{ARM}{SWAP_PATH}{VERSION}", JSON, BODY)
    denied(request, "permission.none", swap(method=method))
    allowed(request, swap())


@pytest.mark.parametrize("etag", ['"0x8D"', 'W/"1"', "abc", "!"])
def test_any_etag_but_the_one_for_all(etag: str) -> None:
    effect = store(
        path="/evidence/holds/x", body=NoBody(), condition="if-match", purpose="hold",
    )  # fmt: skip
    url = f"https://{effect.host}{effect.path}"
    allowed(Request("PUT", url, (("if-match", etag),)), effect)
    denied(Request("PUT", url, (("if-match", " * "),)), "permission.condition", effect)


# --- shapes and effects ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["alwaysOn", "appCommandLine", "experimentz", "zz"])
@pytest.mark.parametrize("value", ['"staging"', '""', '{"rampUpRules":[]}', f'"DOCKER|{GOOD_IMAGE}"'])
def test_no_other_property_is_written(name: str, value: str) -> None:
    """Whatever its value looks like, alone and beside one that may be written."""
    for more in ("", ',"autoSwapSlotName":""'):
        document = json.loads(f'{{"properties":{{"{name}":{value}{more}}}}}')
        path = f"{SITES}/{names.BACKEND}/config/web"
        found = write_without_shape(HostKind.ARM, "PATCH", path, document, conditional=False)
        assert found is not None
        assert found.rule == "shape.configuration"


@pytest.mark.parametrize(
    ("property_", "value"),
    [
        ("experiments", "staging"),
        ("experiments", ""),
        ("experiments", f"DOCKER|{GOOD_IMAGE}"),
        ("autoSwapSlotName", {"rampUpRules": []}),
        ("autoSwapSlotName", f"DOCKER|{GOOD_IMAGE}"),
        ("linuxFxVersion", {"rampUpRules": []}),
        ("linuxFxVersion", "staging"),
        ("linuxFxVersion", ""),
    ],
)
def test_each_property_has_its_own_value(property_: str, value: Any) -> None:
    document = {"properties": {property_: value}}
    path = f"{SITES}/{names.BACKEND}/config/web"
    assert write_without_shape(HostKind.ARM, "PATCH", path, document, conditional=False)


@pytest.mark.parametrize("site", ["a", "trading-backend0", "trading-backen", "zz", "Trading-Backend"])
def test_no_site_but_the_surfaces(site: str) -> None:
    """Before theirs in the alphabet and after them."""
    effect = swap(path=SWAP_PATH.replace(names.BACKEND, site))
    assert judge(effect).rule == "effect.site"
    elsewhere = swap(path=SWAP_PATH.replace("/trading/", f"/{site}/"))
    assert judge(elsewhere).rule == "effect.site"


@pytest.mark.parametrize("subscription", ["0", "00000000-0000-0000-0000-000000000001", "zz", "9" * 36])
def test_no_subscription_but_the_environments(subscription: str) -> None:
    effect = swap(path=SWAP_PATH.replace(names.SUBSCRIPTION, subscription))
    assert judge(effect).rule == "effect.subscription"


@pytest.mark.parametrize("method", ["DELETE", "PATCH", "PUT"])
@pytest.mark.parametrize("rest", ["pending_deployments", "cancel"])
def test_a_pipeline_by_another_method(method: str, rest: str) -> None:
    path = f"/repos/{names.REPOSITORY}/actions/runs/7/{rest}"
    document = {"state": "rejected"} if rest == "pending_deployments" else None
    assert write_without_shape(HostKind.PIPELINE, "POST", path, document, conditional=False) is None
    found = write_without_shape(HostKind.PIPELINE, method, path, document, conditional=False)
    assert found is not None
    assert found.rule == "shape.pipeline"


@pytest.mark.parametrize(("says", "told"), [("", "permitted by revert#swap"), ("back to 1", "back to 1")])
def test_what_permits_a_write_is_told(says: str, told: str) -> None:
    seen = verdict(post(f"{ARM}{SWAP_PATH}{VERSION}", JSON, BODY), swap(says=says))
    assert (seen.kind, seen.reasons) == (VerdictKind.ALLOW, (told,))


def test_a_release_above_the_floor_may_be_pinned() -> None:
    """Below it not, at it and above it yes."""
    newer = GOOD_IMAGE.replace("a" * 64, "b" * 64)
    surfaces = environment().model_dump(mode="json")["surfaces"]
    surfaces[0][1]["releases"][2]["image"] = newer
    known = environment(surfaces=surfaces)
    from rollback.guard.rules.effects import judge_effect

    for name, kind in ((newer, VerdictKind.ALLOW), (GOOD_IMAGE, VerdictKind.ALLOW)):
        assert judge_effect(image(name), perimeter_of(known), known).kind is kind


def test_a_pipeline_of_a_later_surface() -> None:
    """Surfaces without one, or with one elsewhere, hide no other's."""
    surfaces = environment().model_dump(mode="json")["surfaces"]
    pipeline = surfaces[0][1]["pipeline"]
    surfaces[0][1]["pipeline"] = None
    surfaces[1][1]["pipeline"] = pipeline
    known = environment(surfaces=surfaces)
    from rollback.guard.rules.effects import judge_effect

    path = f"/repos/{names.REPOSITORY}/actions/runs/7/cancel"
    effect = swap(host="api.github.com", path=path, query=(), body=NoBody())
    assert judge_effect(effect, perimeter_of(known), known).kind is VerdictKind.ALLOW


@pytest.mark.parametrize("path", ["/", "/incidenT", "/incident/", "/incidents", "/zzz", "/a"])
def test_no_other_place_of_a_channels_host(path: str) -> None:
    effect = swap(
        host=names.WEBHOOK_HOST, path=path, query=(), body=BoundedBody(bytes_max=9), purpose="notify",
        direction=Direction.NEITHER,
    )  # fmt: skip
    assert judge(effect).rule == "effect.channel"
    assert judge(effect.model_copy(update={"path": "/incident"})).kind is VerdictKind.ALLOW


def _crooked(content: str) -> HttpWrite:
    body = ExactBody(sha256=hashlib.sha256(content.encode()).hexdigest(), content=content)
    return configuration("{}").model_copy(update={"body": body})


@pytest.mark.parametrize("spaces", range(1, 9))
def test_a_body_that_is_not_its_canonical_form(spaces: int) -> None:
    """Its digest is of the text shown, and not of what would be sent; whichever is the larger."""
    content = f'{{"properties":{" " * spaces}{{"autoSwapSlotName":""}}}}'
    assert judge(_crooked(content)).rule == "effect.body"


@pytest.mark.parametrize("method", ["DELETE", "POST", "PUT"])
def test_only_a_patch_narrows(method: str) -> None:
    """Ramp-up rules in the body make no halt of another method."""
    effect = configuration('{"properties":{"experiments":{"rampUpRules":[]}}}').model_copy(
        update={"method": method, "direction": Direction.TOWARD}
    )
    assert _toward(effect) is not None
    assert _toward(effect.model_copy(update={"method": "PATCH"})) is None


@pytest.mark.parametrize("path", ["/a/./b", "/a/../b", "/a//b", "//a", "/./a", "/../a", "/a/.", "a", "/", "."])
def test_a_folder_has_one_form(path: str) -> None:
    """Whether its normal form comes before or after it in the alphabet."""
    effect = FileWrite(id="e", path=path, bytes_max=9, times_max=1)
    assert (judge(effect).kind, judge(effect).rule) == (VerdictKind.DENY, "effect.file")
    for good in (OWN_FOLDER, f"{OWN_FOLDER}/", f"{OWN_FOLDER}/a"):
        assert judge(effect.model_copy(update={"path": good})).kind is VerdictKind.ALLOW


def test_a_body_that_cannot_be_read_moves_away_from_safety() -> None:
    """Nobody can tell what it does, so it is no halt."""
    effect = _crooked('{"properties":').model_copy(update={"direction": Direction.TOWARD})
    found = _toward(effect)
    assert found is not None
    assert found.rule == "effect.direction"


def _toward(effect: HttpWrite) -> Denial | None:
    change = Update(
        id="halt", resource="r", summary="s", before=(), after=(), effects=(effect,),
        direction=Direction.TOWARD, predicts=(),
    )  # fmt: skip
    return judge_direction(change, PERIMETER)


def test_what_was_judged_stays_as_it_was() -> None:
    for value, name in ((Request("GET", "https://a.example/"), "method"), (Denial("r", "why"), "rule")):
        with pytest.raises(FrozenInstanceError):
            setattr(value, name, "other")


@pytest.mark.parametrize("path", ["/services/hunter2", "/services/T0/hunter2", "/services/hunter2/"])
def test_a_path_outside_the_perimeter_is_not_kept(path: str) -> None:
    request = Request("POST", f"https://hooks.elsewhere.example{path}")
    found = normalise(request)
    assert isinstance(found, Normal)
    shape = shape_of(request, found, verdict(request), PERIMETER)
    assert shape.path == "/services/..."
