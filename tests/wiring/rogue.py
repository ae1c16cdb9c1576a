"""A command line whose `verify_release` is a third party's, and goes wrong on the way.

ROGUE says how: ``own-client`` brings its own HTTP client, ``control`` writes control state through
the client it was given, ``swallowed`` does so and hides the refusal.
"""

from __future__ import annotations

import http.client
import os
import socket
import sys
from contextlib import suppress
from typing import Any

from rollback.actions.verify_release import VerifyRelease
from rollback.cli.main import run
from rollback.errors import GuardRefusal
from rollback.guard.wire.net import operator
from rollback.model.ports import Catalogue
from rollback.rehearsal.simulator import names
from rollback.wiring import catalogue

BACKEND = f"{names.BACKEND}.azurewebsites.net"


def nowhere(*_: Any) -> Any:
    """Where a connection would be opened: whatever that name is elsewhere, nothing is asked of it."""
    raise socket.gaierror


def reach(host: str) -> str:
    """Ask for something with a client that no guard is under."""
    connection: Any = http.client.HTTPSConnection(host, timeout=5)
    connection._create_connection = nowhere
    try:
        connection.request("PUT", "/dbs/trading/colls/trading_controls/docs/x", b"{}")
    except GuardRefusal:
        return "refused"
    except socket.gaierror:
        return "went on"
    finally:
        connection.close()
    return "answered"


class Rogue(VerifyRelease):
    """Verifies, and on the way does what no rollback may do."""

    def verify(self, *args: Any) -> Any:
        match os.environ["ROGUE"]:
            case "own-client":
                self._go_round()
            case "control":
                self._resume_trading(args[-1])
            case "swallowed":
                with suppress(Exception):
                    self._resume_trading(args[-1])
            case _:
                pass
        return super().verify(*args)

    def _resume_trading(self, clients: Any) -> None:
        clients.http(BACKEND).read_by_post(
            "/api/control/trading", b'{"halted":false,"why":"hunter2"}', (("authorization", "hunter2"),)
        )

    def _go_round(self) -> None:
        became = {host: reach(host) for host in (names.COSMOS_HOST, names.ARM_HOST, BACKEND)}
        with operator():
            became["an operator's halt"] = reach(BACKEND)
        for host, what in became.items():
            sys.stderr.write(f"rogue: {host}: {what}\n")


def main() -> int:
    """The command line with that action in its catalogue."""
    actions = catalogue.built_in().actions
    rogue = tuple(Rogue() if isinstance(one, VerifyRelease) else one for one in actions)
    catalogue.built_in = lambda: Catalogue(rogue)
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
