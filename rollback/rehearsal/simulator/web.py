"""The web surface: a page that names its build, its chunks, and the release document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.rehearsal.simulator import sites
from rollback.rehearsal.simulator.exchange import Call, Reply, json_reply, text_reply

if TYPE_CHECKING:
    from rollback.rehearsal.simulator.simulation import Simulation
    from rollback.rehearsal.simulator.world import Build


def handle(simulation: Simulation, call: Call, at: sites.Where, build: Build) -> Reply:
    """Answer a web request on one instance; a chunk of another build is not there."""
    if call.method not in {"GET", "HEAD"}:
        return json_reply({"error": "method not allowed"}, 405)
    if call.path == "/release.json":
        return sites.release(simulation, at, build)
    if call.path in {"/", "/index.html"}:
        return page(build)
    if call.path.startswith("/assets/"):
        return chunk(call.path.removeprefix("/assets/"), build)
    return text_reply("not found", 404)


def page(build: Build) -> Reply:
    """Answer the page of a build."""
    scripts = "\n".join(f'<script src="/assets/{name}"></script>' for name in build.chunks())
    reply = text_reply(
        f'<!DOCTYPE html>\n<html><head><meta charset="utf-8">\n'
        f'<meta name="build" content="{build.id}">\n<title>Trading</title>\n{scripts}\n'
        f'</head><body><div id="app"></div></body></html>\n',
        build.health_status,
        "text/html",
    )
    return reply.with_header("Cache-Control", "no-cache")


def chunk(name: str, build: Build) -> Reply:
    """Answer one of the build's own chunks."""
    if name not in build.chunks():
        return text_reply("not found", 404)
    reply = text_reply(f"/*build:{build.id}*/\nexport const chunk = '{name}';\n")
    reply.headers[0] = ("Content-Type", "text/javascript; charset=utf-8")
    return reply.with_header("Cache-Control", "public, max-age=31536000, immutable")
