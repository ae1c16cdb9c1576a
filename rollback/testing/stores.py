"""The suite that every store of evidence passes, ours and yours.

A store keeps chunks by name: `put` and `get` of `rollback.evidence.stores.ChunkStore`. Subclass the
suite, and say in a fixture what your store stands on::

    class TestMyStore(LastingStoreSuite):
        @pytest.fixture
        def ground(self, tmp_path: Path) -> MyGround:
            return MyGround(tmp_path)

Each test gets a ground of its own, with nothing in it. The suite itself needs no pytest: a test is
a method that takes a ground, and raises AssertionError with a sentence.
"""

from __future__ import annotations

import tempfile
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, Protocol

from rollback.errors import ConnectorError, EvidenceNotWritten
from rollback.evidence.bundle import Sealing, seal
from rollback.evidence.chunks import kept, packed, sha256, unpacked
from rollback.evidence.sinks import SpoolingSink
from rollback.model.evidence import SourceWindow
from rollback.testing.deaths import deaths

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from rollback.evidence.stores import ChunkStore
    from rollback.model.evidence import Chunk

ONE: Final = b"one"
NAME: Final = sha256(ONE)
LARGE: Final = 8 * 2**20
WRONG: Final = (b"onf", b"on", b"one\n")
"""What damage may make of it: a byte is another, one is missing, one came."""

_ERROR: Final = b"an error that a run can go on from"


class Ground(Protocol):
    """What a store stands on, with ways to look past the store. Nothing is in it at first."""

    def store(self) -> ChunkStore:
        """Another store over the same ground, as a later capture makes it."""
        ...

    def sent(self) -> list[str]:
        """Names of the chunks that were written to it, in order, repeats too."""
        ...

    def held(self) -> dict[str, bytes]:
        """What is there under names of chunks: bytes by name.

        What a death left aside, under a name that no chunk has, does not count.
        """
        ...

    def damage(self, name: str, data: bytes) -> None:
        """Put these bytes under a name, past the store, whatever is there."""
        ...

    def full(self) -> AbstractContextManager[None]:
        """While it lasts, a store that is made in it can write nothing: no room, or no answer.

        Reading may fail too; it must not say that what is there is not.
        """
        ...


class StoreSuite:
    """Created only, once, by content; damage shows; what cannot be kept is told."""

    # --- kept, and read again ------------------------------------------------------------------

    def test_what_is_put_can_be_got(self, ground: Ground) -> None:
        """Its name is its SHA-256, and nothing but it is there."""
        store = ground.store()
        _same(store.put(ONE), NAME, "put returned another name than the SHA-256 of what was put")
        _same(store.get(NAME), ONE, "the same store got something else than was put")
        _same(ground.store().get(NAME), ONE, "a later store got something else than was put")
        _same(ground.held(), {NAME: ONE}, "the ground holds something else than the chunk")

    def test_what_is_not_there_is_none(self, ground: Ground) -> None:
        """Before anything was put, and beside what was."""
        store = ground.store()
        _same(store.get(NAME), None, "a chunk came out of an empty store")
        store.put(b"two")
        _same(store.get(NAME), None, "a chunk was got that nobody put")

    def test_bytes_of_any_kind_come_back(self, ground: Ground) -> None:
        """None at all, every byte, ends of lines, zeros, and as many as a chunk may have."""
        store = ground.store()
        large = packed(bytes(range(256))) * (LARGE // 256)
        for data in (b"", bytes(range(256)), b"\r\n\r\n", b"\0" * 2**20, large[:LARGE]):
            found = store.get(store.put(data))
            _so(found == data, f"{len(data):,} bytes did not come back as they were put")

    # --- once ----------------------------------------------------------------------------------

    def test_a_chunk_is_sent_once(self, ground: Ground) -> None:
        """However often the same content is put."""
        store = ground.store()
        for _ in range(3):
            store.put(ONE)
        _same(ground.sent(), [NAME], "the same content was sent more than once")

    def test_a_later_store_sends_only_what_is_new(self, ground: Ground) -> None:
        """What an earlier one kept is found there, and named alike."""
        first = [ground.store().put(data) for data in (ONE, b"two")]
        later = ground.store()
        again = [later.put(data) for data in (ONE, b"two", b"three")]
        _same(again[:2], first, "the same content has another name in a later store")
        _same(ground.sent(), again, "a later store sent what was there")

    def test_several_at_once_are_each_kept_once(self, ground: Ground) -> None:
        """From threads of one store, and from two stores."""
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
        _same(errors, [], "a put beside others raised")
        _same(ground.held(), {sha256(one): one for one in data}, "puts at once were not all kept")

    # --- created only --------------------------------------------------------------------------

    def test_what_another_kept_meanwhile_is_enough(self, ground: Ground) -> None:
        """A store that has looked round already finds the same content there: that is no error."""
        store = ground.store()
        store.put(b"first")
        ground.damage(NAME, ONE)
        _same(store.put(ONE), NAME, "put returned another name where the content was there")
        _same(ground.held()[NAME], ONE, "what was there was changed")

    def test_what_is_there_is_never_replaced(self, ground: Ground) -> None:
        """Other bytes under the name are damage: told, and left as they are, whenever they came."""
        for come_late in (False, True):
            for number, wrong in enumerate(WRONG):
                data = b"%d %d " % (come_late, number) + ONE
                name, other = sha256(data), data.replace(ONE, wrong)
                store = ground.store()
                if come_late:
                    store.put(b"first")
                ground.damage(name, other)
                _told(store, data, f"{wrong!r} was under the name of {ONE!r}")
                _same(ground.held()[name], other, "what was there was replaced")

    def test_damage_shows_to_who_reads(self, ground: Ground) -> None:
        """A store never answers from memory: a later one gives what is there, or an error."""
        for number, wrong in enumerate(WRONG):
            data = b"%d " % number + ONE
            name = ground.store().put(data)
            _same(ground.store().get(name), data, "a later store got something else than was put")
            ground.damage(name, data.replace(ONE, wrong))
            _so(
                _got(ground.store(), name) != data,
                "a chunk was got as it was before it was changed",
            )

    # --- where it cannot be kept ---------------------------------------------------------------

    def test_a_full_ground_is_told_and_holds_no_half(self, ground: Ground) -> None:
        """Exit status 9; what was there is not said to be gone; once there is room, all goes on."""
        ground.store().put(ONE)
        data = b"x" * 2**20
        with ground.full():
            store = ground.store()
            for _ in range(2):  # one that failed is not remembered as kept
                _told(store, data, "there was no room")
            found = _got(store, NAME)
            _so(found in {ONE, _ERROR}, f"what is there was got as {found!r} while it was full")
        _same(ground.held(), {NAME: ONE}, "something was left of a put that failed")
        _same(ground.store().put(data), sha256(data), "once there was room, put was another name")
        _so(ground.held()[sha256(data)] == data, "once there was room, it was not kept")

    def test_the_spool_stands_in_where_it_is_full(self, ground: Ground) -> None:
        """A capture goes on, and says that the store did not take it."""
        spool = _Spool()
        with ground.full():
            both = SpoolingSink(ground.store(), spool, lambda data: data)
            _same(both.put(ONE), NAME, "the sink returned another name")
            _so(both.spooled(), "nothing says that the spool stood in")
        _same(spool.chunks, {NAME: ONE}, "the spool was not given the chunk")

    # --- into a bundle -------------------------------------------------------------------------

    def test_a_bundle_is_sealed_from_it(self, ground: Ground) -> None:
        """What a capture kept is found again by a later store, byte for byte."""
        chunk = kept(b'{"event":1}\n{"event":2}\n', 2, SpoolingSink(ground.store(), None, bytes))
        with tempfile.TemporaryDirectory() as folder:
            seal(Path(folder, "bundle"), _sealing(chunk), ground.store().get)
            stored = Path(folder, "bundle", "chunks", chunk.sha256).read_bytes()
        _same(unpacked(stored), b'{"event":1}\n{"event":2}\n', "the bundle holds something else")

    def test_no_bundle_is_sealed_from_damage(self, ground: Ground) -> None:
        """Nor from a store that lost a chunk."""
        chunk = kept(b"{}\n", 1, SpoolingSink(ground.store(), None, bytes))
        ground.damage(chunk.sha256, packed(b"[]\n"))
        lost = chunk.model_copy(update={"sha256": NAME})
        for one in (chunk, lost):
            with tempfile.TemporaryDirectory() as folder:
                try:
                    seal(Path(folder, "bundle"), _sealing(one), ground.store().get)
                except EvidenceNotWritten:
                    continue
            raise AssertionError("a bundle was sealed without one of its chunks")


class LastingStoreSuite(StoreSuite):
    """And, for a ground that outlives its process: a death leaves all of a chunk, or none of it.

    deaths_max: at so many of its calls, spread over all, a process that puts is ended.
    """

    deaths_max: ClassVar[int] = 60

    def test_a_death_leaves_all_or_nothing(self, ground: Ground) -> None:
        """And nothing in the way of who puts it again."""
        ground.store().put(ONE)

        def data(moment: int) -> bytes:
            return b"%d " % moment + b"x" * 2**18

        for moment in deaths(lambda moment: ground.store().put(data(moment)), self.deaths_max):
            name = sha256(data(moment))
            half = [one for one, found in ground.held().items() if sha256(found) != one]
            _same(half, [], f"after a death at call {moment}, these are not what their names say")
            found = ground.store().get(name)
            whole = found is None or found == data(moment)
            _so(whole, f"after a death at call {moment}, half a chunk was got")
            _same(ground.store().put(data(moment)), name, f"after call {moment}, put was not done")
            _so(ground.held()[name] == data(moment), "what was put again was not kept")


class _Spool:
    """A store in memory."""

    def __init__(self) -> None:
        self.chunks: dict[str, bytes] = {}

    def put(self, data: bytes) -> str:
        name = sha256(data)
        self.chunks[name] = data
        return name

    def get(self, name: str) -> bytes | None:
        return self.chunks.get(name)


def _same(found: object, wanted: object, what: str) -> None:
    if found != wanted:
        raise AssertionError(f"{what}: {found!r:.300}, not {wanted!r:.300}")


def _got(store: ChunkStore, name: str) -> bytes | None:
    try:
        return store.get(name)
    except (EvidenceNotWritten, ConnectorError):
        return _ERROR


def _so(fact: object, what: str) -> None:
    if not fact:
        raise AssertionError(what)


def _told(store: ChunkStore, data: bytes, why: str) -> None:
    """A put that must fail, in the one way that a run knows how to go on from."""
    try:
        name = store.put(data)
    except EvidenceNotWritten as error:
        _same(error.exit_status, EvidenceNotWritten.exit_status, "the error has another status")
        return
    except Exception as error:
        raise AssertionError(f"{why}, and put raised no EvidenceNotWritten: {error!r}") from error
    raise AssertionError(f"{why}, and put returned {name}")


def _sealing(chunk: Chunk) -> Sealing:
    window = SourceWindow(
        source="suite/events", moment="after", completeness="complete", items=2, chunks=(chunk,)
    )
    return Sealing(
        run="suite",
        playbook="suite",
        environment="suite",
        owner="suite",
        incident=None,
        plan=b"{}",
        journal=b"",
        created=datetime(2026, 1, 1, tzinfo=UTC),
        created_by="suite",
        tool_version="0",
        store="the store under test",
        windows=(window,),
    )
