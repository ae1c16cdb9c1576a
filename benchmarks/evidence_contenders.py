"""One contender of `benchmarks.evidence`, in a process of its own: NAME and a JSON object.

Prints one JSON object: seconds, bytes of events taken in, CPU seconds, peak memory. What a
contender imports is imported before its time begins, for every one of them.
"""

from __future__ import annotations

import gzip
import hashlib
import http.client
import json
import os
import queue
import resource
import shutil
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PAGE = 1000
CHUNK = 4 * 2**20
KEY = "rehearsal"
TURN_S = 0.0005
"""How long a thread waits for the interpreter: as the command has it, and for every contender."""


def _pages(told: dict[str, Any]) -> Iterator[bytes]:
    """Pages over one kept connection, without any SDK, as large as the product's own."""
    link = http.client.HTTPConnection("127.0.0.1", told["port"])
    query = json.dumps({"query": "SELECT * FROM c", "parameters": []})
    for part in range(told["parts"]):
        place = ""
        while True:
            headers = {
                "x-ms-documentdb-isquery": "True",
                "x-ms-documentdb-partitionkeyrangeid": str(part),
                "x-ms-max-item-count": str(told["page"]),
                "Content-Type": "application/query+json",
            }
            if place:
                headers["x-ms-continuation"] = place
            link.request("POST", "/dbs/d/colls/c/docs/", query, headers)
            answer = link.getresponse()
            yield answer.read()
            place = answer.getheader("x-ms-continuation") or ""
            if not place:
                break
    link.close()


def _bucket(told: dict[str, Any]) -> Any:
    import boto3  # type: ignore[import-untyped, unused-ignore]

    return boto3.client(
        "s3", endpoint_url=told["s3"], region_name="eu-west-1",
        aws_access_key_id=KEY, aws_secret_access_key=KEY,
    )  # fmt: skip


def floor(told: dict[str, Any]) -> Callable[[], int]:
    """Raw slices on one thread; zstd, SHA-256 and storing on another; nothing else at all."""
    import msgspec
    import zstandard

    decoder: Any = msgspec.json.Decoder(
        msgspec.defstruct("Page", [("Documents", list[msgspec.Raw])])
    )
    bucket = _bucket(told) if told["to"] == "s3" else None
    folder = Path(told["folder"])

    def run() -> int:
        waiting: queue.Queue[list[bytes] | None] = queue.Queue(2)

        def pack() -> None:
            compressor = zstandard.ZstdCompressor(level=1)
            while (lines := waiting.get()) is not None:
                content = b"\n".join(lines)
                stored = compressor.compress(content)
                name = hashlib.sha256(stored).hexdigest()
                if bucket is not None:
                    key = f"{told['prefix']}{name}"
                    bucket.put_object(Bucket=told["bucket"], Key=key, Body=stored)
                else:
                    with (folder / name).open("wb") as file:
                        file.write(stored)
                        file.flush()
                        os.fsync(file.fileno())

        packer = threading.Thread(target=pack)
        packer.start()
        held: list[bytes] = []
        size = total = 0
        for body in _pages(told):
            lines = decoder.decode(body).Documents
            held += lines
            size += len(body)
            total += len(body)
            if size >= CHUNK:
                waiting.put(held)
                held, size = [], 0
        waiting.put(held)
        waiting.put(None)
        packer.join()
        return total

    return run


def script(told: dict[str, Any]) -> Callable[[], int]:
    """What one writes in ten minutes: the SDK's documents, json, gzip, boto3."""
    from azure.cosmos import CosmosClient

    bucket = _bucket(told) if told["to"] == "s3" else None
    path = Path(told["folder"]) / "audit.jsonl.gz"

    def run() -> int:
        client = CosmosClient(
            f"http://127.0.0.1:{told['port']}/", "a2V5", enable_endpoint_discovery=False
        )
        container = client.get_database_client("trading").get_container_client("audit_log")
        total = 0
        with gzip.open(path, "wt") as file:
            for event in container.query_items(
                "SELECT * FROM c", enable_cross_partition_query=True, max_item_count=PAGE
            ):
                line = json.dumps(event)
                file.write(line + "\n")
                total += len(line)
                if total >= told["script_bytes"]:
                    break
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if bucket is not None:
            bucket.upload_file(str(path), told["bucket"], f"{told['prefix']}{digest}.gz")
        return total

    return run


def paging(told: dict[str, Any]) -> Callable[[], int]:
    """The SDK's own pages, decoded and thrown away: what a capture through it cannot pass."""
    from azure.cosmos import CosmosClient

    def run() -> int:
        client = CosmosClient(
            f"http://127.0.0.1:{told['port']}/", "a2V5", enable_endpoint_discovery=False
        )
        container = client.get_database_client("trading").get_container_client("audit_log")
        count = 0
        for _ in container.query_items(
            "SELECT * FROM c", enable_cross_partition_query=True, max_item_count=PAGE
        ):
            count += 1
            if count >= told["script_bytes"] // told["event_bytes"]:
                break
        return int(count * told["event_bytes"])

    return run


def restic(told: dict[str, Any]) -> Callable[[], int]:
    """Debian's restic, given the events as a file: it reads no service, and does not page."""
    source = Path(told["folder"]) / "events.jsonl"
    total = 0
    with source.open("wb") as file:
        for body in _pages(told):
            file.write(body)
            total += len(body)
    where = (
        f"s3:{told['s3']}/{told['bucket']}/{told['prefix']}"
        if told["to"] == "s3"
        else str(Path(told["folder"]) / "restic")
    )
    environment = {
        "PATH": os.environ["PATH"], "RESTIC_PASSWORD": "x", "RESTIC_REPOSITORY": where,
        "HOME": told["folder"], "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": KEY,
        "AWS_DEFAULT_REGION": "eu-west-1",
    }  # fmt: skip
    quiet: dict[str, Any] = {"env": environment, "stdout": subprocess.DEVNULL}
    subprocess.run(["restic", "init"], check=True, **quiet)

    def run() -> int:
        subprocess.run(["restic", "backup", "--quiet", str(source)], check=True, **quiet)
        return total

    return run


def ours(told: dict[str, Any]) -> Callable[[], int]:
    """The product: guarded SDK, journal and ledger on disk, notes, secrets blotted, read back."""
    from azure.cosmos import CosmosClient

    from benchmarks.evidence_capture import capturing

    del CosmosClient
    return capturing(told)


CONTENDERS = {
    "floor": floor, "ours": ours, "paging": paging, "restic": restic, "script": script,
}  # fmt: skip


def main() -> None:
    """Run one."""
    told = json.loads(sys.argv[2])
    sys.setswitchinterval(TURN_S)
    folder = Path(told["folder"])
    folder.mkdir(parents=True)
    try:
        run = CONTENDERS[sys.argv[1]](told)
        began, used = time.perf_counter(), sum(os.times()[:4])
        total = run()
        took, used = time.perf_counter() - began, sum(os.times()[:4]) - used
        peak = max(
            resource.getrusage(who).ru_maxrss
            for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        )
    finally:
        shutil.rmtree(folder)
    sys.stdout.write(
        json.dumps({"seconds": took, "bytes": total, "cpu": used, "peak_mib": peak / 1024}) + "\n"
    )


def window() -> tuple[datetime, datetime]:
    """A window that holds every synthetic event."""
    from tests.evidence.cosmos_shaped import FIRST_TS

    since = datetime.fromtimestamp(FIRST_TS, UTC)
    return since, since + timedelta(days=900)


if __name__ == "__main__":
    main()
