"""The planner's fence: default deny, and a reason for each thing that a plan may not say."""

from __future__ import annotations

from typing import Any

import pytest

from rollback.guard.rules.effects import judge_effect
from rollback.guard.rules.perimeter import perimeter_of, store_place
from rollback.model.direction import Direction, Undo
from rollback.model.effect import (
    BoundedBody,
    ExactBody,
    FileWrite,
    HttpWrite,
    NoBody,
    Purpose,
    SelfAddressedBody,
)
from rollback.model.environment import BlobLease, BlobStore, FolderStore, Lease, S3Lease
from rollback.model.scope import GuardVerdict, VerdictKind
from rollback.rehearsal.simulator import names
from tests.guard.support import ACCOUNT, DIGEST, SITES, environment, exact, swap

ENVIRONMENT = environment()
PERIMETER = perimeter_of(ENVIRONMENT)
WEB_CONFIG = f"{SITES}/{names.BACKEND}/config/web"
GOOD_IMAGE = f"registry.trading.example/backend@sha256:{DIGEST}"
OLD_IMAGE = GOOD_IMAGE.replace("a" * 64, "9" * 64)
BUCKET = f"{names.EVIDENCE_BUCKET}.s3.eu-west-1.amazonaws.com"
RUNS = f"/repos/{names.REPOSITORY}/actions/runs/7"


OWN_FOLDER = "/var/lib/rollback"


def judge(effect: Any) -> GuardVerdict:
    return judge_effect(effect, PERIMETER, ENVIRONMENT, OWN_FOLDER)


def configuration(content: str, **changes: Any) -> HttpWrite:
    return swap(method="PATCH", path=WEB_CONFIG, body=exact(content), **changes)


def image(name: str) -> HttpWrite:
    return configuration(f'{{"properties":{{"linuxFxVersion":"DOCKER|{name}"}}}}')


def store(**changes: Any) -> HttpWrite:
    fields: dict[str, Any] = {
        "method": "PUT",
        "host": BUCKET,
        "path": "/evidence/chunks/{sha256}",
        "query": (),
        "body": SelfAddressedBody(bytes_max=10),
        "condition": "create-only",
        "purpose": Purpose.EVIDENCE,
        "direction": Direction.NEITHER,
    }
    return swap("capture#chunks", **{**fields, **changes})


def notify(**changes: Any) -> HttpWrite:
    fields: dict[str, Any] = {
        "host": names.WEBHOOK_HOST,
        "path": "/incident",
        "query": (),
        "body": BoundedBody(bytes_max=10),
        "purpose": Purpose.NOTIFY,
    }
    return swap("notify#say", **{**fields, **changes})


def github(method: str, path: str, body: Any = NoBody(), **changes: Any) -> HttpWrite:  # noqa: B008
    return swap(
        "halt#x", method=method, host=names.GITHUB_HOST, path=path, query=(), body=body, **changes
    )


def unsafe(**fields: Any) -> HttpWrite:
    """An effect that the type would refuse to build: made past its checks. Tests only."""
    return HttpWrite.model_construct(**{**dict(swap()), **fields})


ALLOWED = {
    "swap": swap(),
    "swap of a slot": swap(
        path=f"{SITES}/{names.BACKEND}/slots/staging/slotsswap",
        body=exact('{"preserveVnet":true,"targetSlot":"production"}'),
    ),
    "ramp rules emptied": configuration('{"properties":{"experiments":{"rampUpRules":[]}}}'),
    "ramp rules set": configuration(
        '{"properties":{"experiments":{"rampUpRules":[{"actionHostName":"h.example",'
        '"name":"canary","reroutePercentage":15}]}}}'
    ),
    "auto-swap off": configuration('{"properties":{"autoSwapSlotName":""}}'),
    "image by digest": image(GOOD_IMAGE),
    "start of a slot": swap(path=f"{SITES}/{names.WEB}/slots/staging/start", body=NoBody()),
    "stop of a slot": swap(path=f"{SITES}/{names.WEB}/slots/staging/stop", body=NoBody()),
    "workflow disabled": github(
        "PUT", f"/repos/{names.REPOSITORY}/actions/workflows/deploy.yml/disable"
    ),
    "run cancelled": github("POST", f"{RUNS}/cancel"),
    "deployment rejected": github(
        "POST", f"{RUNS}/pending_deployments", exact('{"environment_ids":[1],"state":"rejected"}')
    ),
    "chunks": store(),
    "path-style chunks": store(
        host="s3.eu-west-1.amazonaws.com", path=f"/{names.EVIDENCE_BUCKET}/evidence/{{sha256}}"
    ),
    "manifest": store(path="/evidence/run/{key}", body=BoundedBody(bytes_max=10)),
    "hold replaced": store(
        path="/evidence/holds/{key}",
        body=BoundedBody(bytes_max=10),
        condition="if-match",
        purpose=Purpose.HOLD,
    ),
    "notify": notify(),
    "files": FileWrite(id="f", path="/var/lib/rollback", bytes_max=1, times_max=1),
}

REFUSED = {
    "effect.host": swap(host="evil.example"),
    "shape.backend": swap(host=f"{names.BACKEND}.azurewebsites.net", path="/api/other", query=()),
    "effect.control": unsafe(
        host=f"{names.BACKEND}.azurewebsites.net", path="/api/control/trading", query=()
    ),
    "effect.control/config": unsafe(
        host=f"{names.BACKEND}-staging.azurewebsites.net", path="/api/dynamic-config", query=()
    ),
    "shape.platform": swap(host=names.PLATFORM_HOST, path="/users", query=()),
    "shape.platform/identity": swap(host=names.LOGIN_HOST, path="/x", query=()),
    "shape.settings": swap(
        method="PUT",
        path=f"{SITES}/{names.BACKEND}/config/appsettings",
        body=exact('{"properties":{"BUILD_ID":"1"}}'),
    ),
    "shape.settings/unseen": swap(
        method="PUT",
        path=f"{SITES}/{names.BACKEND}/config/appsettings",
        body=ExactBody(sha256=DIGEST),
    ),
    "shape.settings-repoint": swap(
        method="PUT",
        path=f"{SITES}/{names.BACKEND}/slots/staging/config/appsettings",
        body=exact('{"properties":{"COSMOS_ENDPOINT":"https://elsewhere.example"}}'),
    ),
    "shape.settings-repoint/platform": swap(
        method="PUT",
        path=f"{SITES}/{names.BACKEND}/config/appsettings",
        body=exact('{"properties":{"PLATFORM_JWT_JWKS_URL":"https://elsewhere.example"}}'),
    ),
    "shape.settings-repoint/jwt": configuration(
        '{"properties":{"appSettings":[{"name":"jwt_issuer","value":"x"}]}}'
    ),
    "shape.configuration": configuration('{"properties":{"alwaysOn":false}}'),
    "shape.configuration/tag": configuration(
        '{"properties":{"linuxFxVersion":"DOCKER|registry.trading.example/backend:latest"}}'
    ),
    "shape.configuration/more": configuration(
        '{"properties":{"alwaysOn":true,"autoSwapSlotName":""}}'
    ),
    "shape.configuration/rule": configuration(
        '{"properties":{"experiments":{"rampUpRules":[{"name":"canary"}]}}}'
    ),
    "effect.image": image("registry.trading.example/other@sha256:" + "b" * 64),
    "effect.floor": image(OLD_IMAGE),
    "effect.slot": swap(path=f"{SITES}/{names.BACKEND}/slots/other/slotsswap"),
    "effect.slot/target": swap(body=exact('{"preserveVnet":true,"targetSlot":"other"}')),
    "effect.slot/auto-swap": configuration('{"properties":{"autoSwapSlotName":"other"}}'),
    "effect.site": swap(path=f"{SITES}/somebody-elses/slotsswap"),
    "effect.site/group": swap(
        path=f"/subscriptions/{names.SUBSCRIPTION}/resourceGroups/other"
        f"/providers/Microsoft.Web/sites/{names.BACKEND}/slotsswap"
    ),
    "effect.subscription": swap(
        path=f"/subscriptions/another/resourceGroups/trading/providers/Microsoft.Web/sites"
        f"/{names.BACKEND}/slotsswap"
    ),
    "effect.query": swap(query=()),
    "effect.unreadable": swap(body=ExactBody(sha256=DIGEST)),
    "effect.body": swap(body=BoundedBody(bytes_max=9), purpose=Purpose.NOTIFY),
    "effect.body/duplicate": swap(
        body=exact('{"preserveVnet":true,"targetSlot":"staging","targetSlot":"staging"}')
    ),
    "shape.swap": swap(body=exact('{"targetSlot":"staging","x":1}')),
    "shape.swap/self": swap(body=exact('{"targetSlot":"production"}')),
    "shape.resource-manager": swap(path=f"{SITES}/{names.BACKEND}/restart", body=NoBody()),
    "shape.resource-manager/delete": swap(method="DELETE", path=f"{SITES}/{names.BACKEND}"),
    "shape.production-start-stop": swap(path=f"{SITES}/{names.BACKEND}/stop", body=NoBody()),
    "shape.production-alias": swap(
        path=f"{SITES}/{names.BACKEND}/slots/production/stop", body=NoBody()
    ),
    "shape.pipeline": github(
        "PUT", f"/repos/{names.REPOSITORY}/actions/workflows/deploy.yml/enable"
    ),
    "shape.pipeline/approve": github(
        "POST", f"{RUNS}/pending_deployments", exact('{"environment_ids":[1],"state":"approved"}')
    ),
    "effect.pipeline": github("POST", "/repos/other/repo/actions/runs/7/cancel"),
    "effect.pipeline/file": github(
        "PUT", f"/repos/{names.REPOSITORY}/actions/workflows/tests.yml/disable"
    ),
    "shape.store": store(condition="none", body=BoundedBody(bytes_max=1), path="/evidence/{key}"),
    "shape.store/delete": store(method="DELETE"),
    "effect.store": store(path="/elsewhere/{sha256}"),
    "effect.store/replace": store(
        path="/evidence/{key}", body=BoundedBody(bytes_max=1), condition="if-match"
    ),
    "effect.store/change": store(
        body=exact("{}"), path="/evidence/x", purpose=Purpose.CHANGE, condition="create-only"
    ),
    "effect.store/query": store(query=(("acl", ""),)),
    "effect.store/bucket": store(host="s3.eu-west-1.amazonaws.com", path="/other/{sha256}"),
    "effect.channel": notify(path="/other"),
    "effect.channel/purpose": notify(purpose=Purpose.EVIDENCE),
    "shape.channel": notify(method="PUT"),
    "effect.file": FileWrite(id="f", path="/var/../etc", bytes_max=1, times_max=1),
    "effect.file/dot": FileWrite(id="f", path="/var/./lib", bytes_max=1, times_max=1),
    "effect.file/relative": FileWrite(id="f", path="evidence", bytes_max=1, times_max=1),
    "effect.unknown": object(),
}


@pytest.mark.parametrize("effect", ALLOWED.values(), ids=ALLOWED)
def test_allowed(effect: Any) -> None:
    """What a rule names may be planned."""
    verdict = judge(effect)
    assert verdict.kind is VerdictKind.ALLOW, verdict
    assert verdict.effect == effect.id


@pytest.mark.parametrize(("rule", "effect"), REFUSED.items(), ids=REFUSED)
def test_refused(rule: str, effect: Any) -> None:
    """All else is denied, by the rule that fits, with a reason and a promise."""
    verdict = judge(effect)
    assert verdict.kind is VerdictKind.DENY
    assert verdict.rule == rule.split("/", maxsplit=1)[0], verdict
    assert verdict.reasons
    assert verdict.promise


@pytest.mark.parametrize(
    "fields",
    [
        {"host": names.COSMOS_HOST, "path": "/dbs/trading/colls/dynamic_config/docs"},
        {"host": names.COSMOS_HOST.upper()},
        {"host": f"{names.COSMOS_HOST}."},
        {"host": f"{names.COSMOS_HOST}:443"},
        {"host": "trading-cosmos-westeurope.documents.azure.com"},
        {"path": ACCOUNT},
        {"path": ACCOUNT.upper()},
        {"path": f"{ACCOUNT}/sqlDatabases/trading"},
    ],
)
def test_with_the_type_taken_out_the_planner_still_refuses(fields: dict[str, Any]) -> None:
    """The second fence alone."""
    verdict = judge(unsafe(**fields))
    assert verdict.kind is VerdictKind.DENY
    assert verdict.promise == "no-control-plane-rewrite"


def test_files_are_evidence_and_holds_only() -> None:
    """With the type taken out."""
    fields: dict[str, Any] = {"id": "f", "path": "/var/lib/rollback", "purpose": Purpose.CHANGE}
    effect = FileWrite.model_construct(bytes_max=1, times_max=1, **fields)
    assert (judge(effect).kind, judge(effect).rule) == (VerdictKind.DENY, "effect.file")


def test_a_cosmos_account_under_a_private_name_is_cosmos() -> None:
    """What the environment says is Cosmos is, whatever it is called."""
    cosmos = ENVIRONMENT.cosmos.model_copy(update={"endpoint": "https://control.internal.example/"})
    known = ENVIRONMENT.model_copy(update={"cosmos": cosmos})
    effect = swap(host="control.internal.example", path="/dbs/d/colls/c/docs", query=())
    assert judge_effect(effect, perimeter_of(known), known).rule == "effect.cosmos"


def test_an_error_in_judging_is_a_denial() -> None:
    """Fail-closed: an effect with nothing in it."""
    broken = unsafe(path=None)
    assert judge(broken).rule == "guard.error"


def test_nothing_is_allowed_without_a_perimeter() -> None:
    """Default deny."""
    from rollback.model.scope import Perimeter

    for effect in ALLOWED.values():
        if isinstance(effect, HttpWrite):
            verdict = judge_effect(effect, Perimeter(hosts=()), ENVIRONMENT)
            assert verdict.kind is VerdictKind.DENY


def test_undo_needs_no_special_door() -> None:
    """Swapping back is the same shape, judged the same way."""
    back = swap("undo#swap", undo=Undo(possible=True, by="swapping again"))
    assert judge(back).kind is VerdictKind.ALLOW


def altered(**surface: Any) -> Any:
    """The environment with parts of the backend replaced."""
    known = ENVIRONMENT.surfaces[0][1].model_copy(update=surface)
    return ENVIRONMENT.model_copy(
        update={"surfaces": (("backend", known), ENVIRONMENT.surfaces[1])}
    )


def rule_in(known: Any, effect: HttpWrite) -> str:
    return judge_effect(effect, perimeter_of(known), known).rule


def test_the_rollback_floor() -> None:
    """Without one any image of the catalogue goes; one that nobody can place stops all."""
    assert rule_in(altered(rollback_floor=None), image(OLD_IMAGE)) == "effect.http"
    assert rule_in(altered(rollback_floor="2020.1"), image(GOOD_IMAGE)) == "effect.floor"
    assert rule_in(altered(rollback_floor="2026.10.9"), image(OLD_IMAGE)) == "effect.http"
    assert rule_in(altered(rollback_floor="2026.11.2"), image(GOOD_IMAGE)) == "effect.floor"


def test_a_surface_in_a_resource_group_of_its_own() -> None:
    own = altered(resource_group="Other")
    moved = swap(path=swap().path.replace("/resourceGroups/trading/", "/resourceGroups/other/"))
    assert rule_in(own, moved) == "effect.http"
    assert rule_in(own, swap()) == "effect.site"


def test_auto_swap_and_ramp_rules_of_known_slots() -> None:
    for slot in ("staging", "production", "STAGING"):
        content = f'{{"properties":{{"autoSwapSlotName":"{slot}"}}}}'
        assert judge(configuration(content)).rule == "effect.http"


def test_leases_live_below_their_own_prefix() -> None:
    """Only leases do, and only where they are kept in the bucket."""
    kept = ENVIRONMENT.model_copy(update={"lease": Lease(store=S3Lease(prefix="leases/"))})
    body = BoundedBody(bytes_max=9)
    lease = store(path="/leases/{key}", body=body, purpose=Purpose.LEASE, condition="if-match")
    assert rule_in(kept, lease) == "effect.http"
    assert rule_in(ENVIRONMENT, lease) == "effect.store"
    assert rule_in(kept, store(path="/leases/{key}", body=body)) == "effect.store"
    folder = FolderStore(path="/var/lib/evidence")
    elsewhere = ENVIRONMENT.model_copy(
        update={"evidence": ENVIRONMENT.evidence.model_copy(update={"store": folder})}
    )
    verdict = judge_effect(store(), PERIMETER, elsewhere)
    assert verdict.rule == "effect.store"


def test_a_container_is_written_as_a_bucket_is() -> None:
    """Chunks created, leases replaced, both below their prefix; queries (blocks, leases) never."""
    blobs = BlobStore(
        endpoint="https://trading.blob.core.windows.net", container="evidence", prefix="e/"
    )
    kept = ENVIRONMENT.model_copy(
        update={
            "evidence": ENVIRONMENT.evidence.model_copy(update={"store": blobs}),
            "lease": Lease(store=BlobLease(prefix="leases/")),
        }
    )
    host, root = store_place(blobs)
    assert (host, root) == ("trading.blob.core.windows.net", "/evidence/")
    body = BoundedBody(bytes_max=9)
    lease = store(
        host=host, path="/evidence/leases/{key}", body=body, purpose=Purpose.LEASE, condition="if-match"
    )
    chunk = store(host=host, path="/evidence/e/chunks/{sha256}")
    assert rule_in(kept, lease) == "effect.http"
    assert rule_in(kept, chunk) == "effect.http"
    for wrong in (
        {"path": "/evidence/chunks/{sha256}"},
        {"path": "/other/e/chunks/{sha256}"},
        {"query": (("comp", "block"),)},
    ):
        assert rule_in(kept, chunk.model_copy(update=wrong)) == "effect.store"
    assert rule_in(kept, chunk.model_copy(update={"method": "DELETE"})) == "shape.store"


def test_a_self_addressed_body_creates_by_itself() -> None:
    assert judge(store(condition="none")).rule == "effect.http"


def test_a_body_that_is_not_its_digest() -> None:
    """With the type taken out: what is shown is not what would be permitted."""
    shown = ExactBody.model_construct(sha256=DIGEST, content='{"targetSlot":"staging"}')
    assert judge(unsafe(body=shown)).rule == "effect.body"


def test_files_are_written_to_the_plans_own_folder_and_to_the_store() -> None:
    known = environment(evidence={"store": {"kind": "folder", "path": "./kept"}}, base="/srv/trading")

    def told(path: str, own: str) -> str:
        effect = FileWrite(id="f", path=path, bytes_max=1, times_max=1)
        seen = judge_effect(effect, perimeter_of(known), known, own)
        return seen.rule if seen.kind is VerdictKind.DENY else ""

    for path in ("/srv/trading/kept", "/srv/trading/kept/holds/web/1/held", "/own", "/own/a"):
        assert told(path, "/own") == ""
    for path in ("/srv/trading", "/srv/trading/kept2", "/ow", "/owner", "/etc", "/a/own"):
        assert told(path, "/own") == "effect.folder"
    assert told("/own", "") == "effect.folder"
    assert judge(FileWrite(id="f", path="/etc", bytes_max=1, times_max=1)).rule == "effect.folder"


def test_hosts_of_channels_and_pipelines_are_told_apart() -> None:
    """The path of one channel at the host of another; a pipeline behind another API."""
    other = ENVIRONMENT.channels[0].model_copy(
        update={"name": "other", "host": "other.example", "path": "/other"}
    )
    two = ENVIRONMENT.model_copy(update={"channels": (*ENVIRONMENT.channels, other)})
    assert rule_in(two, notify(path="/other")) == "effect.channel"
    assert rule_in(two, notify(host="other.example", path="/other")) == "effect.http"
    pipeline = ENVIRONMENT.surfaces[0][1].pipeline
    assert pipeline is not None
    moved = altered(pipeline=pipeline.model_copy(update={"api_host": "github.example"}))
    perimeter = perimeter_of(ENVIRONMENT)
    cancel = github("POST", f"{RUNS}/cancel")
    assert judge_effect(cancel, perimeter, moved).rule == "effect.pipeline"
