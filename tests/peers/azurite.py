"""Azurite as a test reaches it: past the guard to look, under it to write."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

MODULES = Path(__file__).parent / "node_modules"
needs_node = pytest.mark.skipif(not MODULES.is_dir(), reason="`make peers` installs the servers")

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The key that every Azurite has; it opens nothing else."""


@dataclass(frozen=True)
class Azurite:
    """One running server. endpoint: the blob address of its one account."""

    endpoint: str

    def container(self) -> str:
        """A fresh container; its name."""
        name = f"trading-{secrets.token_hex(4)}"
        with self.plain(name) as client:
            client.create_container()
        return name

    def plain(self, container: str) -> Any:
        """A client of the vendor's, unguarded; a context manager."""
        from azure.storage.blob import ContainerClient

        return ContainerClient(
            self.endpoint,
            container,
            credential={"account_name": ACCOUNT, "account_key": KEY},
            retry_total=0,
        )
