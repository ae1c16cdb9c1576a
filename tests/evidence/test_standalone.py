"""Two readers of one rule book: whatever is done to a bundle, both say the same of it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rollback.evidence import standalone_verify
from rollback.evidence.bundle import DIGEST, JOURNAL, MANIFEST, SIGNATURE, digest_text
from rollback.evidence.chunks import packed, sha256
from rollback.evidence.verify import verify_bundle
from rollback.model import journal
from rollback.model.base import facts
from rollback.model.record import FIRST, Record, RecordKind
from tests.evidence.flips import flip, positions
from tests.evidence.sealed import NOW, Sealed, needs_ssh_keygen, refile, resealed, rewrite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SCRIPT = Path(standalone_verify.__file__)


@pytest.fixture
def sealed(tmp_path: Path) -> Sealed:
    return Sealed(tmp_path / "bundle")


def both(folder: Path, anchor: str = "") -> tuple[bool, bool]:
    """Whether each of the two says that the bundle holds."""
    theirs = standalone_verify.Bundle(folder)
    theirs.verify(anchor)
    return verify_bundle(folder, anchor=anchor).holds, not theirs.wrong


def run_alone(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The file on its own: isolated, with no installed package within reach."""
    command = [sys.executable, "-I", "-S", str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


# --- flips -----------------------------------------------------------------------------------


@pytest.mark.parametrize("signed", [False, True])
def test_every_flipped_byte_is_named_by_both(tmp_path: Path, signed: bool) -> None:
    folder = Sealed(tmp_path / "bundle", signed=signed).folder
    for name, byte in positions(folder, 149, 13):
        assert flip(folder, name, byte, 1 << (byte % 8)) == (f"{name} {byte}",) * 2
    assert both(folder) == (True, True)


def test_a_flipped_byte_of_a_large_file_is_named(tmp_path: Path) -> None:
    sealed = Sealed(tmp_path / "bundle", report="\n".join(f"line {n}" for n in range(20_000)))
    path = sealed.folder / "report.md"
    assert path.stat().st_size > 100_000
    for byte in (0, 32_767, 32_768, 100_001, path.stat().st_size - 1):
        assert flip(sealed.folder, "report.md", byte, 0x20) == (f"report.md {byte}",) * 2


def test_of_more_damage_the_first_block_is_named(tmp_path: Path) -> None:
    sealed = Sealed(tmp_path / "bundle", report="x" * 200_000)
    path = sealed.folder / "report.md"
    whole = bytearray(path.read_bytes())
    for at in (70_000, 70_500, 150_000):
        whole[at] = ord("y")
    rewrite(path, bytes(whole))
    (problem,) = verify_bundle(sealed.folder).problems
    assert problem.byte == 65_536
    assert "between here and byte 98304" in problem.what
    theirs = standalone_verify.Bundle(sealed.folder)
    theirs.verify("")
    assert theirs.wrong[0][1:4:2] == ("report.md", 65_536)


# --- what somebody might do -------------------------------------------------------------------


def _chunks(folder: Path) -> list[Path]:
    return sorted((folder / "chunks").iterdir(), key=lambda path: path.stat().st_size)


def _remove_chunk(folder: Path) -> None:
    _chunks(folder)[0].unlink()


def _add_chunk(folder: Path) -> None:
    stored = packed(b'{"event":"never"}\n')
    (folder / "chunks" / sha256(stored)).write_bytes(stored)


def _swap_chunks(folder: Path) -> None:
    one, other = _chunks(folder)[:2]
    first, second = one.read_bytes(), other.read_bytes()
    rewrite(one, second)
    rewrite(other, first)


def _cut_chunk(folder: Path) -> None:
    path = _chunks(folder)[-1]
    rewrite(path, path.read_bytes()[:-3])


def _longer(folder: Path) -> None:
    rewrite(folder / "report.md", (folder / "report.md").read_bytes() + b"!")


def _link(folder: Path) -> None:
    path = _chunks(folder)[0]
    elsewhere = folder.with_name("elsewhere")
    shutil.move(path, elsewhere)
    path.symlink_to(elsewhere)


def _manifest(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    """Edit the manifest as one who has no key would: every digest is made right again."""

    def tamper(folder: Path) -> None:
        content = json.loads((folder / MANIFEST).read_bytes())
        change(content)
        resealed(folder, rfc8785.dumps(content))

    return tamper


def _reorder_chunks(content: dict[str, Any]) -> None:
    longest = max(content["windows"], key=lambda window: len(window["chunks"]))
    longest["chunks"].reverse()


def _reorder_windows(content: dict[str, Any]) -> None:
    content["windows"].reverse()


def _drop_window(content: dict[str, Any]) -> None:
    content["windows"] = [one for one in content["windows"] if one["completeness"] == "complete"]


def _paint_over(content: dict[str, Any]) -> None:
    for window in content["windows"]:
        window.update(completeness="complete", reason="")


def _lie_about_content(content: dict[str, Any]) -> None:
    for window in content["windows"]:
        for chunk in window["chunks"]:
            chunk["content_sha256"] = "0" * 64


def _other_run(content: dict[str, Any]) -> None:
    content["run"] = "r-2"


def _other_head(content: dict[str, Any]) -> None:
    content["journal_head"] = "0" * 64


def _fewer_records(content: dict[str, Any]) -> None:
    content["journal_records"] -= 1


def _unlisted_journal(content: dict[str, Any]) -> None:
    content["files"] = [one for one in content["files"] if one["path"] != JOURNAL]


def _says_signed(content: dict[str, Any]) -> None:
    content["signature"] = "sshsig"


def _rejournal(change: Callable[[list[bytes]], list[bytes]]) -> Callable[[Path], None]:
    """Edit the journal, and make manifest and sums right again as far as one can."""

    def tamper(folder: Path) -> None:
        lines = (folder / JOURNAL).read_bytes().split(b"\n")[:-1]
        refile(folder, JOURNAL, b"".join(line + b"\n" for line in change(lines)))

    return tamper


CAUGHT: dict[str, Callable[[Path], None]] = {
    "chunk removed": _remove_chunk,
    "chunk added": _add_chunk,
    "chunks swapped": _swap_chunks,
    "chunk cut": _cut_chunk,
    "file grown": _longer,
    "chunk linked": _link,
    "chunks reordered, digests made right": _manifest(_reorder_chunks),
    "window dropped, digests made right": _manifest(_drop_window),
    "gap painted over, digests made right": _manifest(_paint_over),
    "content lied about, digests made right": _manifest(_lie_about_content),
    "another run, digests made right": _manifest(_other_run),
    "another head, digests made right": _manifest(_other_head),
    "fewer records, digests made right": _manifest(_fewer_records),
    "journal unlisted, digests made right": _manifest(_unlisted_journal),
    "said to be signed, digests made right": _manifest(_says_signed),
    "journal line dropped, digests made right": _rejournal(lambda lines: lines[:1] + lines[2:]),
    "journal cut, digests made right": _rejournal(lambda lines: lines[:-1]),
    "journal lines swapped, digests made right": _rejournal(lambda lines: lines[::-1]),
    "journal line doubled, digests made right": _rejournal(lambda lines: [*lines, lines[-1]]),
    "digest file gone": lambda folder: (folder / DIGEST).unlink(),
    "manifest gone": lambda folder: (folder / MANIFEST).unlink(),
    "a folder more": lambda folder: (folder / "more").mkdir(),
}


@pytest.mark.parametrize("what", CAUGHT)
def test_both_catch_what_needs_no_signature(sealed: Sealed, what: str) -> None:
    assert both(sealed.folder) == (True, True)
    CAUGHT[what](sealed.folder)
    assert both(sealed.folder) == (False, False)


@pytest.mark.parametrize("field", ["created_by", "store"])
@needs_ssh_keygen
def test_an_edited_field_is_caught_by_signature_or_anchor_alone(tmp_path: Path, field: str) -> None:
    def mallory(content: dict[str, Any]) -> None:
        content[field] = "mallory"

    unsigned = Sealed(tmp_path / "unsigned")
    anchor = sha256((unsigned.folder / MANIFEST).read_bytes())
    assert both(unsigned.folder, anchor) == (True, True)
    _manifest(mallory)(unsigned.folder)
    assert both(unsigned.folder) == (True, True)  # the reference page says so
    assert both(unsigned.folder, anchor) == (False, False)
    signed = Sealed(tmp_path / "signed", signed=True)
    _manifest(mallory)(signed.folder)
    assert both(signed.folder) == (False, False)


@needs_ssh_keygen
def test_order_of_windows_is_no_claim_but_is_sealed(tmp_path: Path) -> None:
    signed = Sealed(tmp_path / "signed", signed=True)
    _manifest(_reorder_windows)(signed.folder)
    assert both(signed.folder) == (False, False)


# --- manifests nobody thought of ---------------------------------------------------------------


def _places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield at
    if isinstance(value, dict):
        for name in value:
            yield from _places(value[name], (*at, name))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _places(each, (*at, index))


STRANGE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53) + 1, 2**53 - 1),
    st.text(max_size=8),
    st.sampled_from(
        [
            [],
            {},
            [{}],
            "0" * 64,
            "A" * 64,
            "sshsig",
            "complete",
            "2026-11-23T02:14:00.000Z",
            "2026-11-23T02:14:00Z",
            "2026-13-23T02:14:00.000Z",
            "../outside",
            "plan.json",
            1,
            0.5,
        ]
    ),
)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Sealed:
    return Sealed(tmp_path_factory.mktemp("kept") / "bundle")


def test_a_wrong_size_of_any_file_is_caught_by_both(kept: Sealed) -> None:
    whole = (kept.folder / MANIFEST).read_bytes()
    listed = json.loads(whole)["files"]
    try:
        for index, file in enumerate(listed):
            content = json.loads(whole)
            content["files"][index]["bytes"] += 1
            resealed(kept.folder, rfc8785.dumps(content))
            assert both(kept.folder) == (False, False), file["path"]
    finally:
        resealed(kept.folder, whole)


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_edit_of_the_manifest_is_judged_alike(kept: Sealed, data: st.DataObject) -> None:
    whole = (kept.folder / MANIFEST).read_bytes()
    content = json.loads(whole)
    place = data.draw(st.sampled_from(sorted(filter(None, _places(content)), key=str)))
    *path, last = place
    inside = content
    for step in path:
        inside = inside[step]
    if data.draw(st.booleans()):
        inside[last] = data.draw(STRANGE)
    else:
        del inside[last]
    try:
        resealed(kept.folder, rfc8785.dumps(content))
        ours, theirs = both(kept.folder)
    finally:
        resealed(kept.folder, whole)
    assert ours is theirs, place


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_edit_of_a_record_is_judged_alike(kept: Sealed, data: st.DataObject) -> None:
    whole = (kept.folder / JOURNAL).read_bytes()
    lines = whole.split(b"\n")[:-1]
    number = data.draw(st.integers(0, len(lines) - 1))
    record = json.loads(lines[number])
    *path, last = data.draw(st.sampled_from(sorted(filter(None, _places(record)), key=str)))
    inside = record
    for step in path:
        inside = inside[step]
    inside[last] = data.draw(STRANGE)
    lines[number] = rfc8785.dumps(record)
    try:
        refile(kept.folder, JOURNAL, b"".join(line + b"\n" for line in lines))
        ours, theirs = both(kept.folder)
    finally:
        refile(kept.folder, JOURNAL, whole)
    assert ours is theirs


VECTORS = Path(__file__).parents[1] / "running" / "journal" / "vectors"


def two_streams(*anchors: str) -> bytes:
    """A line of stream ``run`` and one of another, which holds these anchors."""
    made: list[bytes] = []
    for stream, held in (("run", ()), ("run/web", anchors)):
        record = Record(
            run="r-1",
            stream=stream,
            sequence=0,
            previous=FIRST,
            at=NOW,
            monotonic_ms=0,
            kind=RecordKind.NOTE,
            body=facts(anchors=held) if held else (),
        )
        made.append(journal.line_of(record))
    return b"".join(line + b"\n" for line in made)


RIGHT = f"run 0 {sha256(two_streams().split(bytes([10]), maxsplit=1)[0])}"
JOURNALS = {
    **{path.stem: path.read_bytes() for path in sorted(VECTORS.glob("*.jsonl"))},
    "anchored": two_streams(RIGHT),
    "anchor missing": two_streams(),
    "anchor of another head": two_streams(f"run 0 {FIRST}"),
    "anchor of no stream": two_streams(RIGHT, f"run/ios 0 {FIRST}"),
}


@pytest.mark.parametrize("name", JOURNALS)
def test_journals_are_judged_alike(name: str) -> None:
    data = JOURNALS[name]
    check = journal.verify(data)
    theirs = standalone_verify.Bundle(VECTORS)
    theirs.m = {
        "run": check.run,
        "journal_head": check.head,
        "journal_records": len(check.records),
    }
    theirs.records(data)
    assert (not theirs.wrong) is (check.holds and not check.torn_bytes), theirs.wrong
    if theirs.wrong and not check.torn_bytes:
        assert theirs.wrong[0][3] == check.good_bytes


def test_both_know_the_same_kinds_of_record() -> None:
    fields = dict(field.split(":") for field in standalone_verify.FORMS["record"].split())
    assert {kind.value for kind in RecordKind} == set(fields["kind"].split("|"))


# --- keys -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key",
    [
        ed25519.Ed25519PrivateKey.generate(),
        ec.generate_private_key(ec.SECP256R1()),
        rsa.generate_private_key(65537, 2048),
    ],
    ids=["ed25519", "ecdsa", "rsa"],
)
@needs_ssh_keygen
def test_signatures_are_judged_alike(tmp_path: Path, key: Any) -> None:
    signed = Sealed(tmp_path / "bundle", key=key)
    ours = verify_bundle(signed.folder)
    theirs = standalone_verify.Bundle(signed.folder)
    theirs.verify("")
    assert (ours.problems, theirs.wrong) == ((), [])
    assert theirs.signed_by == ours.signed_by != ""
    other = Sealed(tmp_path / "other", signed=True)
    signature = (other.folder / SIGNATURE).read_bytes()
    rewrite(signed.folder / SIGNATURE, signature)
    manifest = (signed.folder / MANIFEST).read_bytes()
    rewrite(signed.folder / DIGEST, digest_text(manifest.replace(b"ana@", b"eve@"), signature))
    rewrite(signed.folder / MANIFEST, manifest.replace(b"ana@", b"eve@"))
    assert both(signed.folder) == (False, False)


def test_a_name_that_is_too_long_is_wrong_and_no_crash(sealed: Sealed) -> None:
    tree = json.loads((sealed.folder / MANIFEST).read_bytes())
    tree["files"].append({"path": f"approvals/{'a' * 5000}", "sha256": "0" * 64, "bytes": 1})
    rewrite(sealed.folder / MANIFEST, rfc8785.dumps(tree))
    rewrite(sealed.folder / DIGEST, digest_text(rfc8785.dumps(tree), None))
    assert both(sealed.folder) == (False, False)
    ran = run_alone(sealed.folder)
    assert (ran.returncode, ran.stderr) == (8, "")


# --- as a stranger runs it --------------------------------------------------------------------


def test_the_file_runs_alone(sealed: Sealed) -> None:
    ran = run_alone(sealed.folder)
    digest = sha256((sealed.folder / MANIFEST).read_bytes())
    without_zstd = sys.version_info < (3, 14)
    assert (ran.returncode, ran.stderr) == (3 if without_zstd else 0, "")
    assert ("not checked: what" in ran.stdout) is without_zstd
    assert f"; manifest {digest}" in ran.stdout
    assert "note: unsigned" in ran.stdout
    (gap,) = verify_bundle(sealed.folder).incomplete
    assert gap.endswith(", it could not be reached")
    assert f"note: {gap}" in ran.stdout
    assert run_alone(sealed.folder, digest).returncode == ran.returncode
    assert run_alone(sealed.folder, "0" * 64).returncode == 8
    rewrite(sealed.folder / "report.md", b"# What happened!")
    broken = run_alone(sealed.folder)
    assert broken.returncode == 8
    assert "wrong: report.md byte 15" in broken.stdout


def test_the_file_says_how_it_is_run(tmp_path: Path) -> None:
    for arguments in ((), (tmp_path / "nowhere",), (tmp_path, "a", "b")):
        ran = run_alone(*arguments)
        assert ran.returncode == 2
        assert "standalone_verify.py BUNDLE" in ran.stderr


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="no sha256sum on this machine")
def test_sha256sum_reads_the_digest_too(sealed: Sealed) -> None:
    command = ["sha256sum", "--check", "--strict", DIGEST]
    assert (
        subprocess.run(command, cwd=sealed.folder, capture_output=True, check=False).returncode == 0
    )
