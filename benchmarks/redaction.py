"""How fast personal data is found that is spread over lines: megabytes a second of processor time.

    python -m benchmarks.redaction

Each text is read as a worker log is, with two rules, and redacted as a capture does. Nothing is
bound here: the rates are for whoever changes the code, to hold against those of before.
"""

from __future__ import annotations

import json
import sys
import time

from rollback.evidence.redaction import Redaction
from rollback.evidence.sources.app_service import _log_lines

RULES = ("email", "user")
ROUNDS = 3
LOG_BYTES = 2 * 10**6


def _event(number: int) -> dict[str, object]:
    return {
        "time": "2026-11-23T10:00:00Z",
        "n": number,
        "level": "info",
        "request": {"path": "/api/x", "id": f"r-{number}", "headers": {"a": "b", "c": "d"}},
        "user": {
            "name": "Ana B",
            "email": "ana@example.com",
            "address": {"street": "Long street 1", "city": "Town"},
            "roles": ["a", "b", "c"],
        },
        "tags": ["one", "two"],
        "took": 12.5,
    }


def _logs() -> dict[str, list[str]]:
    pretty = [line for n in range(4000) for line in json.dumps(_event(n), indent=2).split("\n")]
    rows = [json.dumps({"n": n, "name": "Ana", "x": ["a", 1, True]}) + "," for n in range(40_000)]
    mails = [json.dumps(f"x{n}@example.com") + "," for n in range(90_000)]
    return {
        "JSON of several lines": pretty,
        "the same, with times": [f"2026-11-23T10:00:00.123Z INFO {line}" for line in pretty],
        "the same, as a container's log": [
            json.dumps({"log": f"{line}\n", "stream": "stdout"}) for line in pretty
        ],
        "one value of many rows": ['{"user": [', *rows],
        "one value of many texts": ['{"user": [', *mails],
        "a record a line": [json.dumps(_event(n)) for n in range(6000)],
        "plain words": ["started in GET /x with user-agent foo and more"] * 40_000,
    }


def main() -> None:
    """Print one line a text."""
    fields = Redaction(RULES, b"key")
    for name, lines in _logs().items():
        log = "\n".join(lines).encode()[:LOG_BYTES]
        took = []
        for _ in range(ROUNDS):
            begun = time.process_time()
            made = _log_lines(log, "web", bytes, fields)
            fields.lines(b"".join(one + b"\n" for one in made if isinstance(one, bytes)))
            took.append(time.process_time() - begun)
        sys.stdout.write(f"{name:32}{len(log) / 1e6 / min(took):6.1f} MB/s\n")


if __name__ == "__main__":
    main()
