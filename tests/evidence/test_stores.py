"""The suite every store of chunks passes, and what each does when its ground gives way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from rollback.errors import ConnectorError, EvidenceNotWritten, JournalBroken
from rollback.evidence.chunks import kept, packed, sha256, unpacked
from rollback.evidence.effects import evidence_effects
from rollback.evidence.sinks import SpoolingSink
from rollback.evidence.stores import BucketStore, FolderStore
from rollback.guard.rules.effects import judge_effect
from rollback.guard.rules.perimeter import perimeter_of
from rollback.model.effect import HttpWrite
from rollback.model.scope import VerdictKind
from tests.evidence.fakes import MemoryBucket
from tests.guard.support import environment

if TYPE_CHECKING:
    from pathlib import Path

    from rollback.evidence.stores import ChunkStore
    from rollback.model.scope import Shape


@dataclass
class Bench:
    """A store, and what was sent to it: names of chunks, in order."""

    store: ChunkStore
    folder: Path | None = None
    bucket: MemoryBucket = field(default_factory=MemoryBucket)
    spent: list[str] = field(default_factory=list)

    @property
    def sent(self) -> list[str]:
        return self.spent or [key.rpartition("/")[2] for key in self.bucket.created]


def bucket_effect() -> HttpWrite:
    effect = evidence_effects(environment(), "capture", "")[0]
    assert isinstance(effect, HttpWrite)
    return effect


def a_folder(tmp_path: Path) -> Bench:
    spent: list[str] = []

    def spend(shape: Shape) -> None:
        spent.append(shape.body_sha256 or "")

    return Bench(FolderStore(tmp_path / "store", spend), tmp_path / "store", spent=spent)


def a_bucket(tmp_path: Path) -> Bench:
    del tmp_path
    bucket = MemoryBucket()
    return Bench(BucketStore(bucket, bucket_effect(), "evidence/"), bucket=bucket)


@pytest.fixture(params=[a_folder, a_bucket], ids=["folder", "bucket"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    made: Bench = request.param(tmp_path)
    return made


def test_what_is_put_can_be_got(bench: Bench) -> None:
    name = bench.store.put(b"one")
    assert name == sha256(b"one")
    assert bench.store.get(name) == b"one"
    assert bench.store.get(sha256(b"two")) is None


def test_a_chunk_is_sent_once(bench: Bench) -> None:
    names = [bench.store.put(b"one") for _ in range(3)]
    assert bench.sent == names[:1]


def test_an_empty_chunk_is_a_chunk(bench: Bench) -> None:
    assert bench.store.get(bench.store.put(b"")) == b""


def test_a_later_scope_does_not_send_it_again(tmp_path: Path) -> None:
    first, second = a_folder(tmp_path), a_folder(tmp_path)
    assert first.store.put(b"one") == second.store.put(b"one")
    assert second.spent == []
    bucket = MemoryBucket()
    for _ in range(2):
        BucketStore(bucket, bucket_effect(), "evidence/").put(b"one")
    assert len(bucket.created) == 1


def test_a_file_is_read_only_and_nothing_is_left_aside(tmp_path: Path) -> None:
    bench = a_folder(tmp_path)
    name = bench.store.put(b"one")
    files = list((tmp_path / "store").rglob("*"))
    assert [path.name for path in files if path.is_file()] == [name]
    assert (tmp_path / "store" / "chunks" / name).stat().st_mode & 0o222 == 0


def test_a_changed_file_is_damage_not_a_chunk(tmp_path: Path) -> None:
    name = a_folder(tmp_path).store.put(b"one")
    path = tmp_path / "store" / "chunks" / name
    path.chmod(0o600)
    path.write_bytes(b"two")
    with pytest.raises(EvidenceNotWritten, match="not what its name says"):
        a_folder(tmp_path).store.put(b"one")


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("in the way")
    with pytest.raises(EvidenceNotWritten) as raised:
        a_folder(tmp_path).store.put(b"one")
    assert raised.value.exit_status == 9


def test_a_full_disk_is_told() -> None:
    from pathlib import Path

    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no full device")
    with pytest.raises(EvidenceNotWritten):
        FolderStore(full, lambda _: None).put(b"one")


def test_an_object_whose_answer_was_lost_is_read_back(tmp_path: Path) -> None:
    bench = a_bucket(tmp_path)
    bench.bucket.drops = True
    name = bench.store.put(b"one")
    assert bench.store.get(name) == b"one"
    assert len(bench.bucket.created) == 1


@pytest.mark.parametrize("transient", [True, False])
def test_a_bucket_that_fails_is_told(tmp_path: Path, *, transient: bool) -> None:
    bench = a_bucket(tmp_path)
    bench.bucket.fails = ConnectorError("s3.unavailable", "it failed (503)", transient=transient)
    with pytest.raises(EvidenceNotWritten):
        bench.store.put(b"one")


def test_an_object_that_reads_back_changed_is_told(tmp_path: Path) -> None:
    bench = a_bucket(tmp_path)
    bench.bucket.objects[f"evidence/chunks/{sha256(b'one')}"] = b"two"
    with pytest.raises(EvidenceNotWritten, match="reads back"):
        bench.store.put(b"one")


def sink(store: ChunkStore | None, spool: ChunkStore | None) -> SpoolingSink:
    return SpoolingSink(store, spool, lambda data: data.replace(b"s3cret", b"[secret]"))


def test_the_spool_stands_in_and_says_so(tmp_path: Path) -> None:
    failing = a_bucket(tmp_path)
    failing.bucket.fails = ConnectorError("s3.unavailable", "it failed", transient=False)
    spool = a_folder(tmp_path)
    both = sink(failing.store, spool.store)
    assert not both.spooled()
    name = both.put(b"one")
    assert both.spooled()
    assert spool.store.get(name) == b"one"


def test_a_store_that_works_leaves_the_spool_alone(tmp_path: Path) -> None:
    store, spool = a_bucket(tmp_path), a_folder(tmp_path)
    both = sink(store.store, spool.store)
    both.put(b"one")
    assert not both.spooled()
    assert spool.spent == []


def test_nowhere_to_write_is_exit_9(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("in the way")
    for nowhere in (sink(None, None), sink(None, a_folder(tmp_path).store)):
        with pytest.raises(EvidenceNotWritten):
            nowhere.put(b"one")


def test_a_broken_journal_is_not_taken_for_a_broken_store(tmp_path: Path) -> None:
    def spend(shape: Shape) -> None:
        raise JournalBroken("journal.full", shape.path)

    with pytest.raises(JournalBroken):
        sink(FolderStore(tmp_path, spend), a_folder(tmp_path).store).put(b"one")


# --- chunks ----------------------------------------------------------------------------------


def a_bucket_of_memory() -> BucketStore:
    return BucketStore(MemoryBucket(), bucket_effect(), "")


def test_secrets_are_blotted_before_a_chunk_is_named() -> None:
    store = a_bucket_of_memory()
    chunk = kept(b'{"token":"s3cret"}\n', 1, sink(store, None))
    assert unpacked(store.get(chunk.sha256) or b"") == b'{"token":"[secret]"}\n'


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"not zstd",
        packed(b"one")[:-1],
        packed(b"one") + b"more",
        packed(b"one") + packed(b"two"),
    ],
)
def test_what_is_not_one_whole_frame_is_refused(stored: bytes) -> None:
    with pytest.raises(ValueError, match="zstd"):
        unpacked(stored)


def test_a_frame_that_says_it_is_huge_is_not_unpacked() -> None:
    import zstandard

    huge = zstandard.ZstdCompressor(level=1).compress(bytes(65 * 2**20))
    with pytest.raises(ValueError, match="more than"):
        unpacked(huge)


def test_the_permissions_of_a_capture_are_allowed_by_the_guard(tmp_path: Path) -> None:
    for store in (
        {"kind": "folder", "path": str(tmp_path)},
        {"kind": "s3", "region": "eu-west-1", "bucket": "trading-evidence", "prefix": "e/"},
        {
            "kind": "s3",
            "region": "eu-west-1",
            "bucket": "trading-evidence",
            "endpoint": "http://127.0.0.1:9000",
        },
    ):
        env = environment(evidence={"store": store})
        effects = evidence_effects(env, "capture", str(tmp_path / "spool"))
        assert [one.id for one in effects] == ["capture#capture", "capture#capture/spool"]
        for effect in effects:
            verdict = judge_effect(effect, perimeter_of(env), env)
            assert verdict.kind is VerdictKind.ALLOW, verdict.reasons
