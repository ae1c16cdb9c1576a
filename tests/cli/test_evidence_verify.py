"""``rollback evidence verify`` and ``timestamp``: what a reviewer types, and what they are told."""

from __future__ import annotations

import json
import shutil
import urllib.request
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from rollback.evidence.bundle import JOURNAL, MANIFEST
from rollback.evidence.chunks import sha256
from rollback.model.base import facts
from rollback.model.journal import line_of
from rollback.model.journal import verify as verify_journal
from rollback.model.record import RecordKind
from tests.evidence.authority import Authority
from tests.evidence.sealed import Sealed, resealed, rewrite

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Rollback

pytestmark = pytest.mark.usefixtures("rollback")


@pytest.fixture
def sealed(tmp_path: Path) -> Sealed:
    return Sealed(tmp_path / "bundle")


def signers_file(path: Path, key: ed25519.Ed25519PrivateKey, namespace: str) -> Path:
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    path.write_text(f'runs@trading.example namespaces="{namespace}" {public}\n')
    return path


def test_a_whole_bundle_holds(rollback: Rollback, sealed: Sealed) -> None:
    ran = rollback("evidence", "verify", sealed.folder)
    assert ran.status == 0
    assert "holds; " in ran.out
    assert f"manifest: {sha256((sealed.folder / MANIFEST).read_bytes())}" in ran.out
    assert "unsigned" in ran.out
    assert "incomplete: cosmos/operational_events" in ran.out


def test_the_first_broken_byte_is_named(rollback: Rollback, sealed: Sealed) -> None:
    rewrite(sealed.folder / "report.md", b"# What happened!")
    ran = rollback("evidence", "verify", sealed.folder)
    assert ran.status == 8
    assert "wrong: report.md byte 15: " in ran.out
    as_json = json.loads(rollback("evidence", "verify", sealed.folder, "--json").out)
    assert as_json["holds"] is False
    assert as_json["places"][0] == {"rule": "V2", "file": "report.md", "line": None, "byte": 15}


def test_a_bundle_made_anew_is_told_by_the_anchor(rollback: Rollback, sealed: Sealed) -> None:
    anchor = sha256((sealed.folder / MANIFEST).read_bytes())
    assert rollback("evidence", "verify", sealed.folder, "--anchor", anchor).status == 0
    forged = (sealed.folder / MANIFEST).read_bytes().replace(b"ana@", b"eve@")
    resealed(sealed.folder, forged)
    assert rollback("evidence", "verify", sealed.folder).status == 0
    ran = rollback("evidence", "verify", sealed.folder, "--anchor", anchor.upper())
    assert ran.status == 8
    assert "anchored" in ran.out


def noted(sealed: Sealed, *digests: str) -> bytes:
    """The run's journal as a mirror has it: what was sealed, and notes of sealings after it."""
    data = (sealed.folder / JOURNAL).read_bytes()
    for digest in digests:
        last = verify_journal(data).records[-1]
        record = last.model_copy(
            update={
                "sequence": last.sequence + 1,
                "previous": sha256(data.splitlines()[-1]),
                "kind": RecordKind.NOTE,
                "body": facts(code="bundle.sealed", text="sealed", sha256=digest, path="bundle-1"),
            }
        )
        data += line_of(record) + b"\n"
    assert verify_journal(data).holds
    return data


def test_a_journal_of_elsewhere_is_an_anchor(
    rollback: Rollback, sealed: Sealed, tmp_path: Path
) -> None:
    """A bundle made anew with other facts holds by itself; the mirrored journal tells of it."""
    kept = tmp_path / "mirror.jsonl"
    digest = sha256((sealed.folder / MANIFEST).read_bytes())

    def says(data: bytes, status: int = 8) -> str:
        kept.write_bytes(data)
        ran = rollback("evidence", "verify", sealed.folder, "--journal", kept)
        assert ran.status == status
        return ran.out

    whole = noted(sealed, "0" * 64, digest)
    says(whole, 0)
    says(whole + b'{"torn', 0)
    assert f"notes that {'0' * 64} was sealed" in says(noted(sealed, "0" * 64))
    assert "notes no sealing" in says(noted(sealed))
    assert "mirror.jsonl: line 2" in says(whole.replace(b"r-1", b"r-2", 3).replace(b"r-2", b"r-1", 1))
    assert "does not hold the journal that was sealed" in says(whole.splitlines(keepends=True)[0])
    assert "the journal of run (none)" in says(b"")
    forged = (sealed.folder / MANIFEST).read_bytes().replace(b"ana@", b"eve@")
    resealed(sealed.folder, forged)
    assert f"notes that {digest}" in says(noted(sealed, digest))


def test_signers_say_whose_key_it_is(rollback: Rollback, tmp_path: Path) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    folder = Sealed(tmp_path / "bundle", key=key).folder
    good = signers_file(tmp_path / "good", key, "evidence@trade-rollback")
    ran = rollback("evidence", "verify", folder, "--signers", good)
    assert ran.status == 0
    assert "by runs@trading.example with SHA256:" in ran.out
    for namespace, signer in (
        ("plan-approval@trade-rollback", key),
        ("evidence@trade-rollback", ed25519.Ed25519PrivateKey.generate()),
    ):
        other = signers_file(tmp_path / "other", signer, namespace)
        ran = rollback("evidence", "verify", folder, "--signers", other)
        assert ran.status == 8
        assert "is not allowed to sign evidence" in ran.out
    unsigned = Sealed(tmp_path / "unsigned").folder
    assert rollback("evidence", "verify", unsigned, "--signers", good).status == 8


def test_wrong_input_is_told_for_what_it_is(
    rollback: Rollback, sealed: Sealed, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    for arguments, code in (
        ((tmp_path / "nowhere",), "bundle.not-found"),
        ((file,), "bundle.not-a-folder"),
        ((sealed.folder, "--anchor", "9f2c"), "usage.anchor"),
        ((sealed.folder, "--timestamp", file), "usage.timestamp"),
        ((sealed.folder, "--signers", tmp_path / "none"), "allowed-signers.invalid"),
        ((sealed.folder, "--timestamp", file, "--timestamp-root", file), "timestamp.root"),
    ):
        ran = rollback("evidence", "verify", *arguments)
        assert (ran.status, code in ran.err) == (2, True), ran.err
        assert "hint:" in ran.err
    assert rollback("evidence", "verify", tmp_path).status == 8


# --- time-stamps ------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl on this machine")
def test_a_time_stamp_from_an_authority_on_loopback(
    rollback: Rollback, sealed: Sealed, tmp_path: Path
) -> None:
    authority = Authority(tmp_path / "authority")
    query, reply = tmp_path / "manifest.tsq", tmp_path / "manifest.tsr"
    assert rollback("evidence", "timestamp", sealed.folder, "--out", query).status == 0
    with authority.serving() as address:
        request = urllib.request.Request(address, data=query.read_bytes())  # noqa: S310 - loopback
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            reply.write_bytes(answer.read())
    stamp = ("--timestamp", reply, "--timestamp-root", authority.root)
    ran = rollback("evidence", "verify", sealed.folder, *stamp)
    assert ran.status == 0, ran.out
    assert "time-stamp: 20" in ran.out
    assert json.loads(rollback("evidence", "verify", sealed.folder, *stamp, "--json").out)[
        "timestamp"
    ]

    stranger = Authority(tmp_path / "stranger")
    ran = rollback(
        "evidence", "verify", sealed.folder, "--timestamp", reply, "--timestamp-root", stranger.root
    )
    assert (ran.status, "does not verify" in ran.out) == (8, True)

    whole = reply.read_bytes()
    for at in range(0, len(whole), 61):
        broken = bytearray(whole)
        broken[at] ^= 0x01
        reply.write_bytes(bytes(broken))
        assert rollback("evidence", "verify", sealed.folder, *stamp).status in (0, 8)
    reply.write_bytes(b"garbage")
    ran = rollback("evidence", "verify", sealed.folder, *stamp)
    assert (ran.status, "not a reply that can be read" in ran.out) == (8, True)

    reply.write_bytes(whole)
    resealed(sealed.folder, (sealed.folder / MANIFEST).read_bytes().replace(b"ana@", b"eve@"))
    ran = rollback("evidence", "verify", sealed.folder, *stamp)
    assert ran.status == 8
    assert "something else than this manifest" in ran.out


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl on this machine")
def test_a_reply_with_a_chain_in_another_order_says_so(
    rollback: Rollback, sealed: Sealed, tmp_path: Path
) -> None:
    authority = Authority(tmp_path / "authority")
    query, reply = tmp_path / "q", tmp_path / "r"
    rollback("evidence", "timestamp", sealed.folder, "--out", query)
    reply.write_bytes(authority.reply(query.read_bytes(), "-chain", authority.root))
    ran = rollback(
        "evidence",
        "verify",
        sealed.folder,
        "--timestamp",
        reply,
        "--timestamp-root",
        authority.root,
    )
    assert ran.status == 0 or "order DER wants" in ran.out


def test_a_query_is_not_written_over(rollback: Rollback, sealed: Sealed, tmp_path: Path) -> None:
    out = tmp_path / "q"
    assert rollback("evidence", "timestamp", sealed.folder, "--out", out).status == 0
    kept = out.read_bytes()
    ran = rollback("evidence", "timestamp", sealed.folder, "--out", out)
    assert (ran.status, out.read_bytes()) == (2, kept)
