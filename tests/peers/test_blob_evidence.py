"""The suite of stores over a container of Azure Blob storage, against Azurite.

Azurite ignores immutability policies (a blob with one can be deleted), so that evidence is kept
from change is not shown here: only that it is created once and read back.
"""

from __future__ import annotations

import base64
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from rollback.evidence.effects import evidence_effects
from rollback.evidence.stores import BucketStore
from rollback.model.effect import HttpWrite
from rollback.model.environment import BlobStore
from rollback.testing.stores import LastingStoreSuite
from tests.connectors.stand import VARIABLES, Stand
from tests.peers.azurite import KEY, Azurite, needs_node
from tests.peers.test_blob_store import container

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rollback.evidence.stores import ChunkStore

pytestmark = needs_node


class BlobGround:
    """A container, through the guarded client."""

    def __init__(self, azurite: Azurite) -> None:
        self._azurite = azurite
        self.environment = container(azurite)
        (effect,) = evidence_effects(self.environment, "capture", "")
        assert isinstance(effect, HttpWrite)
        self._effect = effect
        self._open: list[Stand] = []

    @property
    def _name(self) -> str:
        assert isinstance(self.environment.evidence.store, BlobStore)
        return self.environment.evidence.store.container

    def store(self) -> ChunkStore:
        here = Stand(self.environment, (self._effect,))
        self._open.append(here)
        return BucketStore(here.clients.objects(), self._effect, "evidence/")

    def close(self) -> None:
        for here in self._open:
            assert here.latch.tripped() is None
            here.clients.close()

    def sent(self) -> list[str]:
        return [
            exchange.path.rpartition("/")[2]
            for here in self._open
            for exchange in here.exchanges.seen_all
            if exchange.method == "PUT" and exchange.status == 201
        ]

    def held(self) -> dict[str, bytes]:
        with self._azurite.plain(self._name) as client:
            names = list(client.list_blob_names())
            return {
                name.rpartition("/")[2]: client.download_blob(name).readall() for name in names
            }

    def damage(self, name: str, data: bytes) -> None:
        with self._azurite.plain(self._name) as client:
            client.upload_blob(f"evidence/chunks/{name}", data, overwrite=True)

    @contextmanager
    def full(self) -> Iterator[None]:
        """Azurite cannot be full; it refuses who comes with another key, readers too."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(VARIABLES, "BLOB_KEY", base64.b64encode(b"another" * 9).decode())
            yield


class TestBlob(LastingStoreSuite):
    deaths_max = 8

    @pytest.fixture
    def ground(
        self, azurite: Azurite, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[BlobGround]:
        monkeypatch.setitem(VARIABLES, "BLOB_KEY", KEY)
        made = BlobGround(azurite)
        yield made
        made.close()
