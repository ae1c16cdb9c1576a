"""``rollback evidence export``: a bundle as an attestation that other tools read."""

from __future__ import annotations

import json
from pathlib import Path

import click

from rollback.cli import bundles, output
from rollback.errors import InputError


@click.command(
    epilog="""\b
Examples:
  rollback evidence export evidence/bundle-1 --key ~/.ssh/run_ed25519 --out bundle.dsse.json
  rollback evidence export evidence/bundle-1 --statement > statement.json

\b
The envelope is DSSE, its payload an in-toto statement (v1): manifest, files and chunks by SHA-256
as subjects, the manifest's facts as predicate. The signature covers the payload and its type, and
is checked by any DSSE library with KEY's public half: Ed25519, ECDSA, or RSA-PSS with SHA-256.

\b
The bundle is verified first; one that does not hold is not exported (exit 8).
"""
)
@click.argument("bundle", metavar="BUNDLE")
@click.option("--key", metavar="FILE", help="Private key file that signs the envelope.")
@click.option("--statement", "bare", is_flag=True, help="The statement alone, unsigned.")
@click.option("--out", metavar="FILE", help="Write it here instead of to standard output.")
@click.pass_obj
def export(state: str | None, *, bundle: str, key: str | None, bare: bool, out: str | None) -> int:
    """Write BUNDLE as an in-toto statement in a signed DSSE envelope."""
    if (key is None) is not bare:
        raise InputError(
            "usage.export",
            "give --key FILE for a signed envelope, or --statement for the bare statement",
            hint="an envelope without a signature would look like one that was checked",
        )
    from rollback.evidence.attest import statement

    folder = bundles.find(bundle, state)
    check = bundles.held(folder, "nothing was exported")
    manifest, _ = bundles.manifest_of(folder)
    made = statement(manifest, check.manifest_sha256)
    data = made if key is None else _enveloped(made, key)
    if out is None:
        output.result(data.decode())
    else:
        output.write_file(Path(out), data, replace=False)
        output.talk(f"the attestation is in {out}")
    return 0


def _enveloped(made: bytes, key: str) -> bytes:
    from rollback.approval.sign import read_private_key
    from rollback.evidence.attest import envelope

    private = read_private_key(Path(key).expanduser())
    if private is None:
        raise InputError(
            "export.key",
            f"{key} cannot sign by itself: it is a public key, or it has a passphrase",
            hint="an agent signs SSH signatures only; name a private key file without passphrase",
        )
    return (json.dumps(envelope(made, private), indent=2) + "\n").encode()
