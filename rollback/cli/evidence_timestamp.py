"""``rollback evidence timestamp``: the query that a time-stamping authority answers."""

from __future__ import annotations

from pathlib import Path

import click

from rollback.cli import bundles, options, output


@click.command(
    epilog="""\b
Example:
  rollback evidence timestamp evidence/bundle-1 --out manifest.tsq
  curl --data-binary @manifest.tsq --header 'Content-Type: application/timestamp-query' \\
    https://tsa.example.net/ --output manifest.tsr
  rollback evidence verify evidence/bundle-1 --timestamp manifest.tsr --timestamp-root root.pem

\b
The bundle is verified first; of one that does not hold no query is made (exit 8).

\b
Nothing is sent from here. Keep the reply beside the bundle, never in it: a bundle holds what was
sealed and nothing else.
"""
)
@click.argument("bundle", metavar="BUNDLE")
@click.option("--out", metavar="FILE", required=True, help="Where to write the query, in DER.")
@options.as_json
@click.pass_obj
def timestamp(state: str | None, *, bundle: str, out: str, as_json: bool) -> int:
    """Write the RFC 3161 query for BUNDLE's manifest, to be posted to an authority by you."""
    from rollback.evidence.timestamp import query

    folder = bundles.find(bundle, state)
    sha256 = bundles.held(folder, "no query was made").manifest_sha256
    _, manifest = bundles.manifest_of(folder)
    output.write_file(Path(out), query(manifest), replace=False)
    if as_json:
        output.result_json({"bundle": str(folder), "query": out, "sha256": sha256})
    else:
        output.result(out)
    output.talk("post it to an authority, keep its reply, then `rollback evidence verify`")
    return 0
