"""The environment of a rehearsal: a real environment file over the simulated platform.

Everything is throwaway: keys, tokens, certificate authority, state directory. The numbers of the
policy are small so that a rehearsal takes seconds; their meaning is the same.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from rollback.loading.environment import Environment
from rollback.rehearsal.simulator import names
from rollback.rehearsal.simulator.stories import digest_of

if TYPE_CHECKING:
    from pathlib import Path

    from rollback.rehearsal.simulator.process import Simulator

APPROVERS = ("ana@trading.example", "ben@trading.example")


@dataclass(frozen=True, slots=True)
class Stage:
    """A staged environment: its file, the variables it refers to, and the approvers' keys."""

    directory: Path
    environment: Environment
    variables: dict[str, str]
    keys: tuple[tuple[str, Path], ...]

    @property
    def state(self) -> Path:
        """Where runs of this rehearsal are kept."""
        return self.directory / "state"


def _catalogue(site: str) -> list[dict[str, Any]]:
    def entry(build: str, **more: Any) -> dict[str, Any]:
        digest = digest_of(site, build)
        image = f"trading.azurecr.io/{site}@{digest}"
        return {
            "build": build,
            "artifact": digest,
            "image": image,
            "control_schema": [3, 5],
            "flags": ["backtest", "smart-routing"],
            **more,
        }

    return [
        entry(names.OLD_BUILD),
        entry("2026.10.12"),
        entry(names.STABLE_BUILD),
        entry(names.BAD_BUILD),
    ]


def document(sim: Simulator, **over: Any) -> dict[str, Any]:
    """The environment file's content. over: top-level keys to put in place of these."""
    surface: dict[str, Any] = {
        "provider": "app-service",
        "stable_slot": names.STAGING,
        "last_stable": names.STABLE_BUILD,
        "rollback_floor": "2026.10.12",
        "ways": ["swap", "artifact"],
    }
    made: dict[str, Any] = {
        "environment": "rehearsal-trading",
        "kind": "rehearsal",
        "owner": {"name": "Trading on-call (rehearsal)", "contact": "#trading-rehearsal"},
        "cutover_stage": "broader-production-cutover",
        "platform": {
            "api_url": "${PLATFORM_API_URL}",
            "auth_enabled": "${PLATFORM_AUTH_ENABLED}",
            "jwt": {
                "issuer": "${PLATFORM_JWT_ISSUER}",
                "jwks_url": "${PLATFORM_JWT_JWKS_URL}",
            },
            "synthetic_user": {
                "username": "${SYNTHETIC_USER}",
                "password": "${SYNTHETIC_PASSWORD}",
                "tenant": "alpha",
                "other_tenant": "beta",
            },
        },
        "cosmos": {
            "endpoint": "${COSMOS_ENDPOINT}",
            "key": "${COSMOS_KEY}",
            "database": "${COSMOS_DATABASE}",
            "account": names.COSMOS_ACCOUNT,
            "control_containers": [
                "dynamic_config",
                "trading_controls",
                "user_profiles",
                "snapshots",
                "capital_ledgers",
                "strategy_presets",
            ],
            "audit_containers": ["audit_log", "operational_events"],
            "operators": ["operator:*"],
            "repairs": {
                "trading_controls": "PUT /api/control/trading, as an operator",
                "dynamic_config": "PUT /api/dynamic-config, as an operator",
            },
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
        "surfaces": {
            "backend": {
                **surface,
                "site": names.BACKEND,
                "hosts": [names.slot_host(names.BACKEND, names.PRODUCTION)],
                "slot_hosts": {names.STAGING: names.slot_host(names.BACKEND, names.STAGING)},
                "release_path": "/api/release",
                "socket_path": "/ws",
                "carries_authority": True,
                "trading_loop": {"prevented_by": "sticky-setting", "setting": "TRADING_LOOP"},
                "releases": _catalogue(names.BACKEND),
            },
            "web": {
                **surface,
                "site": names.WEB,
                "hosts": [names.slot_host(names.WEB, names.PRODUCTION)],
                "slot_hosts": {names.STAGING: names.slot_host(names.WEB, names.STAGING)},
                "release_path": "/release.json",
                "page_path": "/",
                "releases": _catalogue(names.WEB),
            },
            "mobile": {
                "provider": "unsupported",
                "human_step": "pause the staged rollout in both stores, by hand",
            },
        },
        "halt_authority": {
            "surface": "backend",
            "token": "${HALT_TOKEN}",
            "refused_token": "${HALT_REFUSED_TOKEN}",
            "scopes": ["global", "tenant", "strategy"],
            "age_s_max": 30,
            "watch_interval_s": 1,
            "probes_lost": 2,
        },
        "evidence": {"store": {"kind": "folder", "path": "evidence-store"}},
        "lease": {"store": {"kind": "folder", "path": "leases"}, "ttl_s": 8, "renew_s": 1},
        "approvals": {"allowed_signers": "allowed_signers", "required": 2},
        "policy": {
            "swap_s_max": 8,
            "busy_s_max": 3,
            "poll_s": 1,
            "quiet_s": 1,
            "settle_s": 1,
            "bake_s": 1,
            "probe_timeout_s": 5,
            "volatile_s_max": 20,
        },
        "network": {"resolve": sim.resolve, "ca_file": sim.ca_file},
    }
    return {**made, **over}


def variables_of() -> dict[str, str]:
    """The variables the file refers to, by the runbook's own names."""
    from rollback.rehearsal.simulator.stories import default_world

    user = default_world().users[0]
    return {
        "PLATFORM_API_URL": f"https://{names.PLATFORM_HOST}",
        "PLATFORM_AUTH_ENABLED": "true",
        "PLATFORM_JWT_ISSUER": f"https://{names.PLATFORM_HOST}",
        "PLATFORM_JWT_JWKS_URL": f"https://{names.PLATFORM_HOST}/.well-known/jwks.json",
        "COSMOS_ENDPOINT": f"https://{names.COSMOS_HOST}",
        "COSMOS_KEY": names.COSMOS_KEY,
        "COSMOS_DATABASE": names.DATABASE,
        "AZURE_CLIENT_SECRET": names.CLIENT_SECRET,
        "HALT_TOKEN": names.OPERATOR_TOKEN,
        "S3_ACCESS_KEY_ID": "THROWAWAYKEYID0001",
        "S3_SECRET_ACCESS_KEY": "throwaway-bucket-secret",
        "HALT_REFUSED_TOKEN": names.VIEWER_TOKEN,
        "SYNTHETIC_USER": user.id,
        "SYNTHETIC_PASSWORD": user.password,
    }


def set_stage(directory: Path, sim: Simulator, **over: Any) -> Stage:
    """Write the environment file, the approvers' throwaway keys and their allowed-signers file."""
    directory.mkdir(parents=True, exist_ok=True)
    keys = tuple((person, _key(directory, person)) for person in APPROVERS)
    signers = "".join(
        f'{person} namespaces="plan-approval@trade-rollback" '
        f"{path.with_suffix('.pub').read_text().strip()}\n"
        for person, path in keys
    )
    (directory / "allowed_signers").write_text(signers)
    file = directory / "environment.yaml"
    file.write_text(yaml.dump(document(sim, **over), Dumper=_Plain, sort_keys=False))
    variables = variables_of()
    environment = Environment.load(file, variables)
    return Stage(directory, environment, variables, keys)


class _Plain(yaml.SafeDumper):
    """Writes shared values out each time: an environment file has no aliases."""

    def ignore_aliases(self, data: object) -> bool:
        """Always."""
        del data
        return True


def _key(directory: Path, person: str) -> Path:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
    )

    private = Ed25519PrivateKey.generate()
    path = directory / f"{person.split('@', maxsplit=1)[0]}_ed25519"
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    public = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    path.with_suffix(".pub").write_bytes(public + b"\n")
    return path
