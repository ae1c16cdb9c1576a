"""A Cosmos server that nobody here wrote, in a process of its own on a free port of loopback."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.peers.azurite import MODULES

if TYPE_CHECKING:
    from collections.abc import Iterator

_START = (
    "const {createHttpServer}=require('@vercel/cosmosdb-server');"
    "const s=createHttpServer({keepAlive:true});"
    "s.listen(0,'127.0.0.1',()=>console.log(s.address().port));"
    "process.stdin.on('end',()=>process.exit());process.stdin.resume();"
)


@contextmanager
def cosmos_server() -> Iterator[str]:
    """Its address; it ends with its standard input."""
    with subprocess.Popen(
        ["node", "-e", _START],
        cwd=MODULES.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.stdin.close()
