"""The suite every store of chunks passes, and what each does when its ground gives way."""

from __future__ import annotations

import resource
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from rollback.connectors.secrets import VariableSecrets
from rollback.errors import ConnectorError, EvidenceNotWritten, JournalBroken
from rollback.evidence import stores
from rollback.evidence.chunks import kept, packed, unpacked
from rollback.evidence.effects import evidence_effects
from rollback.evidence.notes import Remembered
from rollback.evidence.sinks import SpoolingSink
from rollback.evidence.stores import BucketStore, FolderStore
from rollback.guard.rules.effects import judge_effect
from rollback.guard.rules.perimeter import perimeter_of
from rollback.model.effect import HttpWrite
from rollback.model.scope import VerdictKind
from rollback.rehearsal.simulator.s3 import S3Server
from rollback.testing.stores import LastingStoreSuite, StoreSuite
from tests.connectors.stand import Stand
from tests.connectors.stand import environment as stood
from tests.evidence.fakes import MemoryBucket
from tests.guard.support import environment

if TYPE_CHECKING:
    from collections.abc import Iterator
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


class FolderGround:
    """A folder of this machine."""

    def __init__(self, root: Path) -> None:
        self.chunks = root / "store" / "chunks"
        self._root = root
        self._spent: list[str] = []

    def store(self) -> ChunkStore:
        return FolderStore(
            self._root / "store", lambda shape: self._spent.append(shape.body_sha256 or "")
        )

    def sent(self) -> list[str]:
        return self._spent

    def held(self) -> dict[str, bytes]:
        found = self.chunks.iterdir() if self.chunks.exists() else ()
        return {path.name: path.read_bytes() for path in found if path.name[0] != "."}

    def damage(self, name: str, data: bytes) -> None:
        self.chunks.mkdir(parents=True, exist_ok=True)
        (self.chunks / name).unlink(missing_ok=True)
        (self.chunks / name).write_bytes(data)

    @contextmanager
    def full(self) -> Iterator[None]:
        """Nothing is written beyond its first byte, as where a quota ends."""
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)


class MemoryGround:
    """The bucket in memory that other tests stand on."""

    def __init__(self) -> None:
        self.bucket = MemoryBucket()

    def store(self) -> ChunkStore:
        return BucketStore(self.bucket, bucket_effect(), "evidence/")

    def sent(self) -> list[str]:
        return [key.rpartition("/")[2] for key in self.bucket.created]

    def held(self) -> dict[str, bytes]:
        return {key.rpartition("/")[2]: data for key, data in self.bucket.objects.items()}

    def damage(self, name: str, data: bytes) -> None:
        self.bucket.objects[f"evidence/chunks/{name}"] = data

    @contextmanager
    def full(self) -> Iterator[None]:
        self.bucket.fails = ConnectorError("s3.full", "no room (507)", transient=False)
        yield
        self.bucket.fails = None


class S3Ground:
    """A bucket that locks objects, through the guarded client, on moto's server."""

    def __init__(self, server: S3Server, prefix: str) -> None:
        self._server = server
        self._prefix = prefix
        self.environment = stood(
            evidence={
                "store": {
                    "kind": "s3",
                    "endpoint": server.endpoint,
                    "region": "eu-west-1",
                    "bucket": server.bucket,
                    "prefix": prefix,
                    "access_key_id": "${S3_ID}",
                    "secret_access_key": "${S3_KEY}",
                    "retention_days": 3,
                    "legal_hold": True,
                }
            }
        )
        (self.effect,) = evidence_effects(self.environment, "capture", "")
        self._open: list[Stand] = []

    def store(self) -> ChunkStore:
        assert isinstance(self.effect, HttpWrite)
        here = Stand(self.environment, (self.effect,))
        self._open.append(here)
        return BucketStore(here.clients.objects(), self.effect, self._prefix)

    def close(self) -> None:
        for here in self._open:
            assert here.latch.tripped() is None
            here.clients.close()

    def sent(self) -> list[str]:
        wanted = f"/{self._server.bucket}/{self._prefix}chunks/"
        return [
            one["path"].removeprefix(wanted)
            for one in self._server.ledger()
            if one["method"] == "PUT" and one["path"].startswith(wanted) and one["status"] == 200
        ]

    def held(self) -> dict[str, bytes]:
        client = self.past()
        found = client.list_objects_v2(Bucket=self._server.bucket, Prefix=self._prefix)
        return {
            one["Key"].rpartition("/")[2]: client.get_object(
                Bucket=self._server.bucket, Key=one["Key"]
            )["Body"].read()
            for one in found.get("Contents", ())
        }

    def damage(self, name: str, data: bytes) -> None:
        key = f"{self._prefix}chunks/{name}"
        self.past().put_object(
            Bucket=self._server.bucket, Key=key, Body=data, ChecksumAlgorithm="SHA256"
        )

    @contextmanager
    def full(self) -> Iterator[None]:
        self._server.refuse_puts()
        try:
            yield
        finally:
            self._server.accept_puts()

    def past(self) -> Any:
        import boto3  # type: ignore[import-untyped, unused-ignore]

        return boto3.client(
            "s3",
            endpoint_url=self._server.endpoint,
            region_name="eu-west-1",
            aws_access_key_id="x",
            aws_secret_access_key="y",
        )


class TestFolder(LastingStoreSuite):
    @pytest.fixture
    def ground(self, tmp_path: Path) -> FolderGround:
        return FolderGround(tmp_path)


class TestMemory(StoreSuite):
    @pytest.fixture
    def ground(self) -> MemoryGround:
        return MemoryGround()


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with S3Server.start(tmp_path_factory.mktemp("s3")) as server:
        yield server


class TestS3(LastingStoreSuite):
    deaths_max = 8

    @pytest.fixture
    def ground(self, s3: S3Server) -> Iterator[S3Ground]:
        made = S3Ground(s3, f"suite-{uuid4().hex}/")
        yield made
        made.close()

    def test_a_chunk_is_retained_and_held_until_somebody_lifts_it(self, ground: S3Ground) -> None:
        """Moto has no `get_object_retention`; what a HEAD says is what was asked for."""
        from botocore.exceptions import ClientError  # type: ignore[import-untyped, unused-ignore]

        store = ground.store()
        key = f"{ground._prefix}chunks/{store.put(b'one')}"
        client = ground.past()
        head = client.head_object(Bucket=ground._server.bucket, Key=key)
        assert head["ObjectLockMode"] == "COMPLIANCE"
        assert head["ObjectLockRetainUntilDate"] > datetime.now(UTC) + timedelta(days=2)
        assert head["ObjectLockLegalHoldStatus"] == "ON"
        with pytest.raises(ClientError, match="AccessDenied"):
            client.delete_object(
                Bucket=ground._server.bucket,
                Key=key,
                VersionId=head["VersionId"],
                BypassGovernanceRetention=True,
            )

    def test_a_store_that_holds_much_is_looked_into_chunk_by_chunk(
        self, ground: S3Ground, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(stores, "LISTED_MAX", 2)
        for _ in range(2):
            for data in (b"one", b"two", b"three"):
                ground.store().put(data)
        assert len(ground.sent()) == 3


def test_a_file_is_read_only_and_nothing_is_left_aside(tmp_path: Path) -> None:
    bench = a_folder(tmp_path)
    name = bench.store.put(b"one")
    files = list((tmp_path / "store").rglob("*"))
    assert [path.name for path in files if path.is_file()] == [name]
    assert (tmp_path / "store" / "chunks" / name).stat().st_mode & 0o222 == 0


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


def sink(store: ChunkStore | None, spool: ChunkStore | None) -> SpoolingSink:
    return SpoolingSink(store, spool, lambda data: bytes(data).replace(b"s3cret", b"[secret]"))


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


def test_a_name_that_holds_a_secret_is_not_noted_on_this_machine(tmp_path: Path) -> None:
    """Such a part is read from its beginning after an interruption; a file may be called anything."""
    secrets = VariableSecrets({})
    secrets.know("hunter2é-and-more")
    into = SpoolingSink(None, None, secrets.redact_bytes, notes=tmp_path / "notes")
    for name in ("app.log", "hunter2é-and-more.log", "hunter2%C3%A9-and-more.log"):
        Remembered.of(into.notes("capture")).parts_of(f"files/{name[:3]}", (name,))
    (file,) = (tmp_path / "notes").iterdir()
    assert file.read_bytes() == b'{"parts":{"files/app":["app.log"]}}\n'
    assert Remembered.of(into.notes("capture")).parts == {"files/app": ("app.log",)}


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
            verdict = judge_effect(effect, perimeter_of(env), env, str(tmp_path / "spool"))
            assert verdict.kind is VerdictKind.ALLOW, verdict.reasons


def test_where_store_and_spool_fail_both_say_why(tmp_path: Path) -> None:
    failing = a_bucket(tmp_path)
    failing.bucket.fails = ConnectorError("s3.unavailable", "the bucket is away", transient=False)
    (tmp_path / "file").write_text("no folder")
    both = sink(failing.store, FolderStore(tmp_path / "file", lambda _: None))
    for data in (b"one", b"two"):  # the second one finds the store given up
        with pytest.raises(EvidenceNotWritten) as caught:
            both.put(data)
        assert "the bucket is away" in caught.value.reason
        assert f"{tmp_path / 'file'}" in caught.value.reason
    assert not both.spooled()
