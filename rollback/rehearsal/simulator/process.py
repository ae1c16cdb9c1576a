"""Start the simulator as a process of its own, and speak to its control API.

``with Simulator.start(directory, default_world()) as sim:`` gives ``sim.resolve`` (host to loopback
address), ``sim.ca_file``, and ``sim.control``: ``fault("swap_500_after_effect")``,
``act("halt_trading")``, ``ledger()``, ``world()``, ``swaps("trading-backend")``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from rollback.rehearsal.simulator import names

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    import httpx

    from rollback.rehearsal.simulator.ledger import Entry
    from rollback.rehearsal.simulator.world import DocumentChange, World

LIFETIME_S = 1800.0
STOP_S = 5.0


class SimulatorError(RuntimeError):
    """The simulator did not start, or refused what the control API was asked."""


@dataclass
class Simulator:
    """A running simulator. It stops when it is closed, or when this process ends."""

    directory: Path
    port: int
    ca_file: str
    control_token: str
    process: subprocess.Popen[bytes]
    control: Control

    @classmethod
    def start(
        cls, directory: Path, world: World | None = None, *, lifetime_s: float = LIFETIME_S
    ) -> Self:
        """Start the process in a directory and wait until it listens.

        Raises SimulatorError, with the end of its log, where it does not come up.
        """
        directory.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "rollback.rehearsal.simulator"]
        command += ["--directory", str(directory), "--lifetime-s", str(lifetime_s)]
        if world is not None:
            story = directory / "world.json"
            story.write_text(world.model_dump_json())
            command += ["--world", str(story)]
        process, ready = launch(command, directory / "simulator.log")
        control = Control(ready["port"], ready["ca"], ready["control_token"])
        return cls(directory, ready["port"], ready["ca"], ready["control_token"], process, control)

    @property
    def resolve(self) -> dict[str, str]:
        """Return where each simulated host is to be reached."""
        return dict.fromkeys(names.HOSTS, f"127.0.0.1:{self.port}")

    def close(self) -> None:
        """Stop the process and wait for it."""
        self.control.close()
        land(self.process)

    def __enter__(self) -> Self:
        """Return the simulator."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the process."""
        self.close()


def launch(command: list[str], log: Path) -> tuple[subprocess.Popen[bytes], dict[str, Any]]:
    """Start a process that prints the path of its ready file; return both.

    Raises SimulatorError where it ends before it is ready.
    """
    with log.open("wb") as errors:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
        )
    line = process.stdout.readline() if process.stdout else b""
    if not line:
        land(process)
        tail = log.read_text(errors="replace")[-2000:]
        text = f"{command[2]} did not start (exit {process.returncode}):\n{tail}"
        raise SimulatorError(text)
    from pathlib import Path

    ready: dict[str, Any] = json.loads(Path(line.decode().strip()).read_text())
    return process, ready


def land(process: subprocess.Popen[bytes]) -> None:
    """Close the process's input, which ends it; kill it where that takes too long."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Control:
    """The control API: look at the world, throw faults, act in it.

    `when` of `fault` and `act` is a moment: ``{"moment": "arrives" | "answered", "method": ...,
    "host": ..., "path": regex, "nth": n}`` or ``{"moment": "phase", "phase": "swap-started" |
    "warmed-up" | "half-way" | "swapped" | "swap-failed", "site": ...}``. Without one it happens
    before the call returns.
    """

    def __init__(self, port: int, ca_file: str, token: str) -> None:
        """Remember where the control host is; nothing is sent yet."""
        self._port = port
        self._ca_file = ca_file
        self._token = token
        self._client: httpx.Client | None = None
        self._lock = threading.Lock()

    def world(self) -> World:
        """Return the world as it is now."""
        from rollback.rehearsal.simulator.world import World

        return World.model_validate(self._get("/world"))

    def ledger(self, after: int = 0) -> list[Entry]:
        """Return every request received from the product, after the first `after`."""
        from rollback.rehearsal.simulator.ledger import Entry

        return [Entry.model_validate(entry) for entry in self._get(f"/ledger?after={after}")]

    def changes(self) -> list[DocumentChange]:
        """Return every write to the Cosmos account, whoever sent it."""
        from rollback.rehearsal.simulator.world import DocumentChange

        return [DocumentChange.model_validate(change) for change in self._get("/changes")]

    def summary(self) -> dict[str, Any]:
        """Return swaps, builds, operations, pinned users, open sockets and counts."""
        found: dict[str, Any] = self._get("/summary")
        return found

    def swaps(self, site: str) -> int:
        """Return how many swaps of a site took effect."""
        count: int = self.summary()["swaps"][site]
        return count

    def fault(self, name: str, *, when: dict[str, Any] | None = None, **params: Any) -> None:
        """Throw a fault by name, now or at a moment."""
        self._post("/fault", {"name": name, "params": params, "when": when})

    def clear_faults(self) -> None:
        """Take back every fault, what is armed, and let held swaps go on."""
        self._post("/clear", {})

    def act(self, verb: str, *, when: dict[str, Any] | None = None, **params: Any) -> None:
        """Let an operator (or another system, `by`) do something, now or at a moment."""
        self._post("/act", {"name": verb, "params": params, "when": when})

    def close(self) -> None:
        """Close the connection."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _reach(self) -> httpx.Client:
        import ssl

        import httpx

        with self._lock:  # a run tells its events from several threads
            if self._client is None:
                self._client = httpx.Client(
                    base_url=f"https://127.0.0.1:{self._port}",
                    headers={"Host": names.CONTROL_HOST, "Authorization": f"Bearer {self._token}"},
                    verify=ssl.create_default_context(cafile=self._ca_file),
                    trust_env=False,
                    timeout=10.0,
                )
            return self._client

    def _get(self, path: str) -> Any:
        return self._checked(self._reach().get(path)).json()

    def _post(self, path: str, body: dict[str, Any]) -> None:
        content = json.dumps(body)  # in ASCII: what a platform says may be no Unicode
        kind = {"Content-Type": "application/json"}
        self._checked(self._reach().post(path, content=content, headers=kind))

    @staticmethod
    def _checked(response: httpx.Response) -> httpx.Response:
        if response.is_error:
            text = f"the simulator refused {response.request.url.path}: {response.text}"
            raise SimulatorError(text)
        return response
