"""The shapes a write may have, asked directly: default none."""

from __future__ import annotations

from typing import Any

import pytest

from rollback.guard.rules.shapes import repoints, write_without_shape
from rollback.model.scope import HostKind
from tests.guard.support import DIGEST, SITES

SITE = f"{SITES}/trading-backend"
RULE = {"actionHostName": "h", "reroutePercentage": 12.5, "name": "canary"}
GITHUB = "/repos/trading/monorepo/actions"
IMAGE = f"DOCKER|registry.example/backend@sha256:{DIGEST}"


def rule(kind: HostKind, method: str, path: str, document: Any = None, *, safe: bool = True) -> str:
    denial = write_without_shape(kind, method, path, document, conditional=safe)
    return "" if denial is None else denial.rule


@pytest.mark.parametrize(
    ("path", "document", "expected"),
    [
        ("slotsswap", {"targetSlot": "staging"}, ""),
        ("slotsswap", {"targetSlot": "staging", "preserveVnet": False}, ""),
        ("slots/staging/slotsswap", {"targetSlot": "production"}, ""),
        ("slots/staging/slotsswap", {"targetSlot": "blue"}, ""),
        ("slotsswap", {"targetSlot": "PRODUCTION"}, "shape.swap"),
        ("slots/staging/slotsswap", {"targetSlot": "STAGING"}, "shape.swap"),
        ("slotsswap", None, "shape.swap"),
        ("slotsswap", ["targetSlot"], "shape.swap"),
        ("slotsswap", "targetSlot", "shape.swap"),
        ("slotsswap", {}, "shape.swap"),
        ("slotsswap", {"targetSlot": 7}, "shape.swap"),
        ("slotsswap", {"targetSlot": ""}, "shape.swap"),
        ("slotsswap", {"targetSlot": "a/b"}, "shape.swap"),
        ("slotsswap", {"targetSlot": "s", "preserveVnet": 1}, "shape.swap"),
        ("slotsswap", {"targetSlot": "s", "preserveVnet": None}, "shape.swap"),
        ("slots/Production/slotsswap", {"targetSlot": "s"}, "shape.production-alias"),
        ("slots/staging/start", None, ""),
        ("slots/staging/stop", None, ""),
        ("slots/staging/start", {}, "shape.body"),
        ("start", None, "shape.production-start-stop"),
        ("stop", None, "shape.production-start-stop"),
        ("restart", None, "shape.resource-manager"),
        ("slots/staging/restart", None, "shape.resource-manager"),
        ("slots/staging", None, "shape.resource-manager"),
        ("applySlotConfig", {"targetSlot": "s"}, "shape.resource-manager"),
        ("config/web", {"properties": {"autoSwapSlotName": ""}}, "shape.resource-manager"),
        ("config/appsettings", {"properties": {"A": "b"}}, "shape.settings"),
        ("config/AppSettings", {"properties": {"cosmos_key": "b"}}, "shape.settings-repoint"),
        ("config/connectionstrings", {"properties": {"JWT": "b"}}, "shape.settings-repoint"),
        ("config/connectionstrings", {"properties": {"A": "b"}}, "shape.settings"),
        ("config/appsettings", ["PLATFORM_URL"], "shape.settings"),
        ("config/appsettings", {"properties": ["PLATFORM_URL"]}, "shape.settings"),
    ],
)
def test_posts_below_a_site(path: str, document: Any, expected: str) -> None:
    assert rule(HostKind.ARM, "POST", f"{SITE}/{path}", document) == expected


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"properties": {"autoSwapSlotName": ""}}, ""),
        ({"properties": {"autoSwapSlotName": "staging"}}, ""),
        ({"properties": {"autoSwapSlotName": "a/b"}}, "shape.configuration"),
        ({"properties": {"autoSwapSlotName": None}}, "shape.configuration"),
        ({"properties": {"autoSwapSlotName": 0}}, "shape.configuration"),
        ({"properties": {"linuxFxVersion": IMAGE}}, ""),
        ({"properties": {"linuxFxVersion": IMAGE + "0"}}, "shape.configuration"),
        (
            {"properties": {"linuxFxVersion": IMAGE.replace("DOCKER", "NODE")}},
            "shape.configuration",
        ),
        ({"properties": {"linuxFxVersion": "DOCKER|r/b:latest"}}, "shape.configuration"),
        ({"properties": {"linuxFxVersion": 1}}, "shape.configuration"),
        ({"properties": {"experiments": {"rampUpRules": []}}}, ""),
        ({"properties": {"experiments": {"rampUpRules": [RULE]}}}, ""),
        ({"properties": {"experiments": {"rampUpRules": [RULE]}, "autoSwapSlotName": ""}}, ""),
        ({"properties": {"experiments": {"rampUpRules": None}}}, "shape.configuration"),
        ({"properties": {"experiments": {"rampUpRules": ["x"]}}}, "shape.configuration"),
        ({"properties": {"experiments": {"rampUpRules": [], "x": 1}}}, "shape.configuration"),
        ({"properties": {"experiments": {}}}, "shape.configuration"),
        ({"properties": {"experiments": []}}, "shape.configuration"),
        ({"properties": {"experiments": None}}, "shape.configuration"),
        ({"properties": {}}, "shape.configuration"),
        ({"properties": []}, "shape.configuration"),
        ({"properties": "autoSwapSlotName"}, "shape.configuration"),
        ({"properties": {"alwaysOn": True}}, "shape.configuration"),
        ({"properties": {"autoSwapSlotName": ""}, "kind": "app"}, "shape.configuration"),
        ({"autoSwapSlotName": ""}, "shape.configuration"),
        ({}, "shape.configuration"),
        (["properties"], "shape.configuration"),
        (None, "shape.configuration"),
        ({"properties": {"appSettings": [{"name": "COSMOS_URL"}]}}, "shape.settings-repoint"),
        ({"properties": {"connectionStrings": [{"name": "JWT_KEY"}]}}, "shape.settings-repoint"),
        ({"properties": {"appSettings": [{"name": "A"}, "x"]}}, "shape.settings"),
        ({"properties": {"appSettings": None}}, "shape.settings"),
    ],
)
def test_patches_of_the_configuration(document: Any, expected: str) -> None:
    for place in ("config/web", "slots/staging/config/web"):
        assert rule(HostKind.ARM, "PATCH", f"{SITE}/{place}", document) == expected


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", 1),
        ("actionHostName", None),
        ("reroutePercentage", "15"),
        ("reroutePercentage", True),
        ("reroutePercentage", -0.1),
        ("reroutePercentage", 100.1),
        ("reroutePercentage", None),
        ("changeStep", 1),
    ],
)
def test_a_ramp_rule_says_three_things(key: str, value: Any) -> None:
    document = {"properties": {"experiments": {"rampUpRules": [{**RULE, key: value}]}}}
    assert rule(HostKind.ARM, "PATCH", f"{SITE}/config/web", document) == "shape.configuration"
    del document["properties"]["experiments"]["rampUpRules"][0][key]
    if key != "changeStep":
        assert rule(HostKind.ARM, "PATCH", f"{SITE}/config/web", document) == "shape.configuration"


@pytest.mark.parametrize("percent", [0, 100, 0.01, 99.99])
def test_the_whole_range_of_percentages(percent: float) -> None:
    ramp = {"experiments": {"rampUpRules": [{**RULE, "reroutePercentage": percent}]}}
    assert rule(HostKind.ARM, "PATCH", f"{SITE}/config/web", {"properties": ramp}) == ""


@pytest.mark.parametrize(
    ("method", "path", "document", "expected"),
    [
        ("PUT", "/workflows/deploy.yml/disable", None, ""),
        ("PUT", "/workflows/deploy.yml/disable", {"x": 1}, "shape.pipeline"),
        ("POST", "/workflows/deploy.yml/disable", None, "shape.pipeline"),
        ("PUT", "/workflows/deploy.yml/enable", None, "shape.pipeline"),
        ("PUT", "/workflows/a/b/disable", None, "shape.pipeline"),
        ("POST", "/runs/7/cancel", None, ""),
        ("POST", "/runs/7/cancel", {"x": 1}, "shape.pipeline"),
        ("PUT", "/runs/7/cancel", None, "shape.pipeline"),
        ("POST", "/runs/x/cancel", None, "shape.pipeline"),
        ("POST", "/runs/7/rerun", None, "shape.pipeline"),
        ("POST", "/runs/7/pending_deployments", {"state": "rejected"}, ""),
        ("PUT", "/runs/7/pending_deployments", {"state": "rejected"}, "shape.pipeline"),
        ("POST", "/runs/7/pending_deployments", {"state": "approved"}, "shape.pipeline"),
        ("POST", "/runs/7/pending_deployments", None, "shape.pipeline"),
        ("POST", "/workflows/deploy.yml/dispatches", {"state": "rejected"}, "shape.pipeline"),
        ("DELETE", "/runs/7", None, "shape.pipeline"),
    ],
)
def test_pipelines(method: str, path: str, document: Any, expected: str) -> None:
    assert rule(HostKind.PIPELINE, method, GITHUB + path, document) == expected


@pytest.mark.parametrize("kind", list(HostKind))
def test_document_db_has_no_shape_anywhere(kind: HostKind) -> None:
    path = "/subscriptions/s/resourceGroups/g/providers/microsoft.DOCUMENTDB/databaseAccounts/a"
    assert rule(kind, "PUT", path) == "shape.cosmos-account"


@pytest.mark.parametrize(
    ("kind", "method", "safe", "expected"),
    [
        (HostKind.COSMOS, "POST", True, "shape.cosmos"),
        (HostKind.BACKEND, "POST", True, "shape.backend"),
        (HostKind.WEB, "POST", True, "shape.backend"),
        (HostKind.PLATFORM, "POST", True, "shape.platform"),
        (HostKind.IDENTITY, "POST", True, "shape.platform"),
        (HostKind.STORE, "PUT", True, ""),
        (HostKind.STORE, "PUT", False, "shape.store"),
        (HostKind.STORE, "POST", True, "shape.store"),
        (HostKind.CHANNEL, "POST", False, ""),
        (HostKind.CHANNEL, "PUT", False, "shape.channel"),
        (HostKind.ARM, "PUT", True, "shape.resource-manager"),
    ],
)
def test_per_kind_of_host(kind: HostKind, method: str, safe: bool, expected: str) -> None:
    assert rule(kind, method, "/a/b", safe=safe) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("COSMOS_ENDPOINT", True),
        ("cosmos_key", True),
        ("AZURE_COSMOS_URI", True),
        ("APPSETTING_JWT_ISSUER", True),
        ("PLATFORM_API_URL", True),
        ("DOCUMENTDB_URI", True),
        ("BUILD_ID", False),
        ("MY_COSMOS", False),
    ],
)
def test_names_that_repoint(name: str, expected: bool) -> None:
    assert repoints(name) is expected
