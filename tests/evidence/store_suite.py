"""The suite that every store of chunks passes: subclass it and say what the store stands on.

class TestFolder(StoreSuite):
@pytest.fixture
def ground(self, tmp_path): return FolderGround(tmp_path)
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

import pytest

from rollback.errors import EvidenceNotWritten
from rollback.evidence.chunks import packed, sha256

if TYPE_CHECKING:
    from rollback.evidence.stores import ChunkStore


class Ground(Protocol):
    """What a store stands on, with ways to look past it."""

    def store(self) -> ChunkStore:
        """Another store over the same ground, as a later scope makes it."""
        ...

    def sent(self) -> list[str]:
        """Names of the chunks that were written, in order, repeats too."""
        ...

    def held(self) -> dict[str, bytes]:
        """What is really there."""
        ...

    def damage(self, name: str, data: bytes) -> None:
        """Put other bytes under a name, past the store."""
        ...


class StoreSuite:
    """Created only, once, by content, read back."""

    @pytest.fixture
    def ground(self) -> Ground:
        raise NotImplementedError

    def test_what_is_put_can_be_got(self, ground: Ground) -> None:
        store = ground.store()
        name = store.put(b"one")
        assert name == sha256(b"one")
        assert store.get(name) == b"one"
        assert ground.held() == {name: b"one"}

    def test_what_is_not_there_is_none(self, ground: Ground) -> None:
        assert ground.store().get(sha256(b"two")) is None

    def test_a_chunk_is_sent_once(self, ground: Ground) -> None:
        store = ground.store()
        names = [store.put(b"one") for _ in range(3)]
        assert ground.sent() == names[:1]

    def test_a_later_scope_sends_only_what_is_new(self, ground: Ground) -> None:
        first = [ground.store().put(data) for data in (b"one", b"two")]
        later = ground.store()
        assert [later.put(data) for data in (b"one", b"two", b"three")][:2] == first
        assert ground.sent() == [*first, sha256(b"three")]

    def test_an_empty_chunk_is_a_chunk(self, ground: Ground) -> None:
        store = ground.store()
        assert store.get(store.put(b"")) == b""

    def test_bytes_of_any_kind_come_back(self, ground: Ground) -> None:
        store = ground.store()
        for data in (bytes(range(256)), b"\r\n\r\n", packed(b"x" * 300_000), b"\0" * 2**20):
            assert store.get(store.put(data)) == data

    def test_several_at_once_are_each_kept_once(self, ground: Ground) -> None:
        stores = [ground.store() for _ in range(2)]
        data = [b"%d" % number for number in range(12)]
        errors: list[BaseException] = []

        def keep(store: ChunkStore) -> None:
            try:
                for one in data:
                    store.put(one)
            except BaseException as error:  # noqa: BLE001 - shown below
                errors.append(error)

        threads = [threading.Thread(target=keep, args=(store,)) for store in (*stores, *stores)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        assert ground.held() == {sha256(one): one for one in data}

    def test_what_was_changed_is_damage_and_stays_as_it_is(self, ground: Ground) -> None:
        name = sha256(b"one")
        ground.damage(name, b"two")
        with pytest.raises(EvidenceNotWritten) as raised:
            ground.store().put(b"one")
        assert raised.value.exit_status == 9
        assert ground.held() == {name: b"two"}
