"""The two processes: they start, answer over TLS, and stop with whoever started them."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
import pytest

from rollback.rehearsal.simulator import names
from rollback.rehearsal.simulator.process import Simulator, SimulatorError, launch
from rollback.rehearsal.simulator.s3 import S3Server

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.enable_socket


def test_it_stops_when_its_input_closes_and_leaves_its_world(tmp_path: Path) -> None:
    with Simulator.start(tmp_path) as simulator:
        simulator.control.act("stop_slot", site=names.WEB)
        process = simulator.process
        assert simulator.resolve[names.ARM_HOST] == f"127.0.0.1:{simulator.port}"
        assert names.CONTROL_HOST not in simulator.resolve
    assert process.returncode == 0
    left = json.loads((tmp_path / "world-at-end.json").read_text())
    assert left["sites"][names.WEB]["slots"][names.STAGING]["state"] == "Stopped"


def test_it_stops_at_the_end_of_its_lifetime(tmp_path: Path) -> None:
    simulator = Simulator.start(tmp_path, lifetime_s=0.2)
    assert simulator.process.wait(10) == 0
    simulator.close()


def test_it_stops_on_sigterm(tmp_path: Path) -> None:
    simulator = Simulator.start(tmp_path)
    simulator.process.terminate()
    assert simulator.process.wait(10) == 0
    simulator.close()


def test_a_world_that_cannot_be_read_is_reported_with_its_reason(tmp_path: Path) -> None:
    story = tmp_path / "world.json"
    story.write_text('{"at": "now"}')
    command = [sys.executable, "-m", "rollback.rehearsal.simulator"]
    command += ["--directory", str(tmp_path), "--world", str(story)]
    with pytest.raises(SimulatorError, match="validation error"):
        launch(command, tmp_path / "log")


def test_its_certificate_is_good_for_its_names_only(tmp_path: Path) -> None:
    with Simulator.start(tmp_path) as simulator:
        trusted = ssl.create_default_context(cafile=simulator.ca_file)
        url = f"https://127.0.0.1:{simulator.port}/healthz"
        headers = {"Host": names.PLATFORM_HOST}
        with httpx.Client(verify=trusted, trust_env=False) as client:
            name = {"sni_hostname": names.PLATFORM_HOST}
            assert client.get(url, headers=headers, extensions=name).is_success
        with (
            httpx.Client(verify=trusted, trust_env=False) as client,
            pytest.raises(httpx.ConnectError, match="certificate"),
        ):
            client.get(url, headers=headers, extensions={"sni_hostname": "elsewhere.example"})


def test_the_control_host_needs_its_token(tmp_path: Path) -> None:
    with Simulator.start(tmp_path) as simulator:
        simulator.control._token = "guessed"
        with pytest.raises(SimulatorError, match="unauthorized"):
            simulator.control.world()
        assert (tmp_path / "ready.json").stat().st_mode & 0o077 == 0


def test_importing_it_imports_no_server(tmp_path: Path) -> None:
    text = (
        "import sys, rollback.rehearsal.simulator.process, rollback.rehearsal.simulator.stories, "
        "rollback.rehearsal.simulator.s3; "
        "print([m for m in ('aiohttp', 'moto', 'trustme', 'httpx', 'jwt') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout.strip() == "[]"


def test_the_store_locks_objects_counts_requests_and_can_be_full(tmp_path: Path) -> None:
    import boto3  # type: ignore[import-untyped,unused-ignore]
    from botocore.config import Config  # type: ignore[import-untyped,unused-ignore]
    from botocore.exceptions import ClientError  # type: ignore[import-untyped,unused-ignore]

    with S3Server.start(tmp_path) as store:
        client = boto3.client(
            "s3",
            endpoint_url=store.endpoint,
            region_name="us-east-1",
            aws_access_key_id="rehearsal",
            aws_secret_access_key="rehearsal",
            config=Config(retries={"total_max_attempts": 1}, proxies={}),
        )
        lock = client.get_object_lock_configuration(Bucket=store.bucket)
        assert lock["ObjectLockConfiguration"]["ObjectLockEnabled"] == "Enabled"

        def put(key: str) -> int:
            try:
                answer = client.put_object(Bucket=store.bucket, Key=key, Body=b"1", IfNoneMatch="*")
            except ClientError as error:
                answer = error.response
            status: int = answer["ResponseMetadata"]["HTTPStatusCode"]
            return status

        assert [put("a"), put("a")] == [200, 412]
        store.refuse_puts(status=507, after=1)
        assert [put("b"), put("c")] == [200, 507]
        store.accept_puts()
        assert put("c") == 200
        puts = [entry["status"] for entry in store.ledger() if entry["method"] == "PUT"]
        client.close()
        process = store.process
    assert puts == [200, 412, 200, 507, 200]
    assert process.returncode == 0
