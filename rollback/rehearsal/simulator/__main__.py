"""Entry of the simulator's process; see `process` for starting it from Python."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import secrets
import signal
import ssl
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rollback.rehearsal.simulator.world import World


def main(arguments: list[str] | None = None) -> int:
    """Serve until standard input closes, SIGTERM arrives or the lifetime is over.

    Once the server listens, ``ready.json`` is in the directory and its path has been printed, as
    the only line of standard output.
    """
    parser = argparse.ArgumentParser(prog="rollback.rehearsal.simulator", description=__doc__)
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--world", type=Path, help="a world document; the standard story without")
    parser.add_argument("--lifetime-s", type=float, default=1800.0)
    given = parser.parse_args(arguments)
    given.directory.mkdir(parents=True, exist_ok=True)
    world = _story(given.world)
    asyncio.run(_serve(given.directory, world, given.lifetime_s))
    (given.directory / "world-at-end.json").write_text(world.model_dump_json(indent=1))
    return 0


def _story(file: Path | None) -> World:
    from rollback.rehearsal.simulator.stories import default_world
    from rollback.rehearsal.simulator.world import World

    return World.model_validate_json(file.read_bytes()) if file else default_world()


async def _serve(directory: Path, world: World, lifetime_s: float) -> None:
    from rollback.rehearsal.simulator.app import listen
    from rollback.rehearsal.simulator.simulation import Simulation

    simulation = Simulation(world)
    token = secrets.token_urlsafe(32)
    context, certificate = _certify(directory)
    port, stop = await listen(simulation, token, context)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, simulation.stopping.set)
    _stop_with_parent(loop, simulation.stopping)
    ready = directory / "ready.json"
    _publish(ready, {"port": port, "control_token": token, "pid": os.getpid(), **certificate})
    print(ready, flush=True)  # noqa: T201 - the one line the parent waits for
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(simulation.stopping.wait(), lifetime_s)
    await stop()


def _certify(directory: Path) -> tuple[ssl.SSLContext, dict[str, str]]:
    """Make a throwaway authority and one certificate for all hosts."""
    import trustme

    from rollback.rehearsal.simulator import names

    authority = trustme.CA(organization_name="rehearsal")
    leaf = authority.issue_cert(*names.HOSTS, names.CONTROL_HOST, "localhost", "127.0.0.1")
    authority.cert_pem.write_to_path(str(directory / "ca.pem"))
    leaf.private_key_and_cert_chain_pem.write_to_path(str(directory / "leaf.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    return context, {"ca": str(directory / "ca.pem"), "leaf": str(directory / "leaf.pem")}


def _stop_with_parent(loop: asyncio.AbstractEventLoop, stopping: asyncio.Event) -> None:
    """Stop when standard input ends, which it does when the parent dies."""

    def watch() -> None:
        with contextlib.suppress(OSError):
            while os.read(0, 4096):
                pass
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(stopping.set)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def _publish(path: Path, value: dict[str, object]) -> None:
    partial = path.with_suffix(".partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(value, file)
    partial.replace(path)


if __name__ == "__main__":
    sys.exit(main())
