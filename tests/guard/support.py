"""An environment on the simulated platform's names, a ledger in memory, and wires over both."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rollback.errors import GuardRefusal
from rollback.guard.rules.perimeter import perimeter_of
from rollback.guard.wire import Wire
from rollback.model.direction import Direction, Undo
from rollback.model.effect import ExactBody, HttpWrite
from rollback.model.environment import Environment, Network
from rollback.model.scope import Phase, Scope
from rollback.rehearsal.simulator import names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rollback.model.effect import Effect
    from rollback.model.ports import Exchange
    from rollback.model.scope import GuardVerdict, Perimeter, Shape

DIGEST = "a" * 64
SITES = f"/subscriptions/{names.SUBSCRIPTION}/resourceGroups/trading/providers/Microsoft.Web/sites"
SWAP_PATH = f"{SITES}/{names.BACKEND}/slotsswap"
API = (("api-version", "2025-05-01"),)
ACCOUNT = (
    f"/subscriptions/{names.SUBSCRIPTION}/resourceGroups/trading"
    "/providers/Microsoft.DocumentDB/databaseAccounts/trading-cosmos"
)


def environment(**changes: Any) -> Environment:
    """The rehearsal's environment, with parts replaced."""
    image = f"registry.trading.example/backend@sha256:{DIGEST}"
    written: dict[str, Any] = {
        "environment": "rehearsal",
        "kind": "rehearsal",
        "owner": {"name": "On call", "contact": "oncall@trading.example"},
        "platform": {
            "api_url": f"https://{names.PLATFORM_HOST}",
            "jwt": {
                "issuer": "trading",
                "jwks_url": f"https://{names.PLATFORM_HOST}/.well-known/jwks.json",
            },
        },
        "cosmos": {
            "endpoint": f"https://{names.COSMOS_HOST}:443/",
            "database": names.DATABASE,
            "key": "${COSMOS_KEY}",
            "account": names.COSMOS_ACCOUNT,
            "control_containers": ["dynamic_config", "trading_controls"],
            "audit_containers": ["audit_log"],
        },
        "azure": {
            "subscription": names.SUBSCRIPTION,
            "resource_group": names.RESOURCE_GROUP,
            "identity": {
                "tenant": names.TENANT,
                "client_id": names.CLIENT_ID,
                "client_secret": "${AZURE_CLIENT_SECRET}",
            },
        },
        "surfaces": [
            (
                "backend",
                {
                    "provider": "app-service",
                    "site": names.BACKEND,
                    "hosts": [f"{names.BACKEND}.azurewebsites.net"],
                    "slot_hosts": [("staging", f"{names.BACKEND}-staging.azurewebsites.net")],
                    "carries_authority": True,
                    "reads": ["/api/search"],
                    "rollback_floor": "2026.11.1",
                    "releases": [
                        {"build": "2026.10.9", "image": image.replace("a" * 64, "9" * 64)},
                        {"build": "2026.11.1", "image": image},
                        {"build": "2026.11.2"},
                    ],
                    "pipeline": {
                        "repository": names.REPOSITORY,
                        "file": "deploy.yml",
                        "token": "${GITHUB_TOKEN}",
                    },
                },
            ),
            (
                "web",
                {
                    "provider": "app-service",
                    "site": names.WEB,
                    "hosts": [f"{names.WEB}.azurewebsites.net"],
                    "release_path": "/release.json",
                },
            ),
        ],
        "halt_authority": {
            "token": "${OPERATOR_TOKEN}",
            "refused_token": "${VIEWER_TOKEN}",
            "scopes": ["global"],
        },
        "evidence": {
            "store": {
                "kind": "s3",
                "region": "eu-west-1",
                "bucket": names.EVIDENCE_BUCKET,
                "prefix": "evidence/",
            }
        },
        "channels": [
            {
                "name": "incidents",
                "address": "${WEBHOOK}",
                "host": names.WEBHOOK_HOST,
                "path": "/incident",
            }
        ],
    }
    return Environment.model_validate({**written, **changes})


ROLE = "arn:aws:iam::123456789012:role/evidence/rollback"
STS = "sts.eu-west-1.amazonaws.com"


def taking_role(**store: Any) -> Environment:
    """The same, where the bucket's credential is a role."""
    written = {"kind": "s3", "region": "eu-west-1", "bucket": names.EVIDENCE_BUCKET}
    role = {"role_arn": ROLE, "web_identity_token_file": "/var/run/token"}
    return environment(evidence={"store": {**written, **role, **store}})


def swap(effect_id: str = "revert#swap", **changes: Any) -> HttpWrite:
    """The planned swap of the backend."""
    content = '{"preserveVnet":true,"targetSlot":"staging"}'
    fields: dict[str, Any] = {
        "id": effect_id,
        "method": "POST",
        "host": names.ARM_HOST,
        "path": SWAP_PATH,
        "query": API,
        "body": exact(content),
        "direction": Direction.AWAY,
        "undo": Undo(possible=True, by="swapping again"),
    }
    return HttpWrite(**{**fields, **changes})


def exact(content: str) -> ExactBody:
    """An exact body from its canonical text."""
    import hashlib

    return ExactBody(sha256=hashlib.sha256(content.encode()).hexdigest(), content=content)


@dataclass
class MemoryLedger:
    """Permissions in memory: counts, and what was spent in which order."""

    counts: dict[str, int] = field(default_factory=dict)
    spent: list[tuple[str, Shape]] = field(default_factory=list)

    def left(self, effect_id: str) -> int:
        return self.counts.get(effect_id, 0)

    def spend(self, effect_id: str, shape: Shape) -> int:
        if self.left(effect_id) < 1:
            code = "ledger.spent"
            raise GuardRefusal(code, "nothing left", promise="plan-is-permission")
        self.counts[effect_id] -= 1
        self.spent.append((effect_id, shape))
        return len(self.spent)


@dataclass
class MemoryLatch:
    """The latch in memory."""

    refusals: list[tuple[GuardVerdict, Shape]] = field(default_factory=list)

    def refuse(self, verdict: GuardVerdict, shape: Shape) -> None:
        self.refusals.append((verdict, shape))

    def tripped(self) -> GuardVerdict | None:
        return self.refusals[0][0] if self.refusals else None


@dataclass
class MemoryExchanges:
    """What was exchanged."""

    seen_all: list[Exchange] = field(default_factory=list)

    def seen(self, scope: Scope, exchange: Exchange) -> None:
        del scope
        self.seen_all.append(exchange)


class WallClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        raise AssertionError(seconds)


@dataclass
class Bench:
    """A wire with everything it is told in reach."""

    wire: Wire
    ledger: MemoryLedger
    latch: MemoryLatch
    exchanges: MemoryExchanges


def bench(
    effects: Sequence[Effect] = (),
    *,
    phase: Phase = Phase.APPLY,
    perimeter: Perimeter | None = None,
    network: Network | None = None,
    make: type[Wire] = Wire,
    unsafe: bool = False,
    proving: bool = False,
) -> Bench:
    """A wire over memory, with each effect permitted as often as it says.

    proving: clients are proved with canaries as they are built.
    unsafe: the scope's type does not look at the effects again. Tests of the other fences only.
    """
    build: Any = Scope.model_construct if unsafe else Scope
    ledger = MemoryLedger({effect.id: effect.times_max for effect in effects})
    latch, exchanges = MemoryLatch(), MemoryExchanges()
    wire = make(
        scope=build(run="r-1", step="revert", attempt=1, phase=phase, permissions=tuple(effects)),
        perimeter=perimeter or perimeter_of(environment()),
        ledger=ledger,
        latch=latch,
        exchanges=exchanges,
        network=network or Network(),
        clock=WallClock(),
        environment=environment() if proving else None,
    )
    return Bench(wire, ledger, latch, exchanges)
