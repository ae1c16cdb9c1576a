"""How guarded hosts are reached: what the resolve map says of a name, and which certificates count."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from rollback.errors import InputError
from rollback.guard.wire import httpx_wire
from rollback.guard.wire.network import mapped, tls_context
from rollback.model.environment import Network
from tests.guard.support import bench

RESOLVE = tuple(
    (known, f"127.0.0.1:{number}")
    for number, known in enumerate(
        (
            "a.example",
            "a.example:8080",
            "z.example",
            "z.example:8080",
            "m.example",
            "m.example:8080",
        ),
        start=1,
    )
)


@pytest.mark.parametrize(
    ("host", "port", "number"),
    [
        ("m.example", 443, 5),
        ("m.example", 80, 5),
        ("m.example", 8080, 6),
        ("m.example", 81, None),
        ("m.example", 79, None),
        ("other.example", 443, None),
        ("other.example", 80, None),
        ("other.example", 8080, None),
    ],
)
def test_a_name_is_mapped_with_its_port_or_alone_for_the_usual_ones(
    host: str, port: int, number: int | None
) -> None:
    found = mapped(Network(resolve=RESOLVE), host, port)
    assert found == (None if number is None else ("127.0.0.1", number))


def test_a_context_is_built_once_and_shared_with_no_other_client() -> None:
    assert tls_context(None, "httpx") is tls_context(None, "httpx")
    assert tls_context(None, "httpx") is not tls_context(None, "requests")


def test_no_tls_below_1_2_even_where_python_was_built_to_take_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = ssl.create_default_context

    def lax(**named: Any) -> ssl.SSLContext:
        context = whole(**named)
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        return context

    monkeypatch.setattr(ssl, "create_default_context", lax)
    assert tls_context(None, "a client of its own").minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize(
    ("content", "why"), [(None, "No such file"), ("no certificate", "NO_CERTIFICATE")]
)
def test_certificates_that_cannot_be_read_are_an_input_error(
    tmp_path: Path, content: str | None, why: str
) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(InputError, match=why) as wrong:
        httpx_wire.transport(bench(network=Network(ca_file=str(file))).wire)
    assert wrong.value.code == "network.ca-file"
    assert str(file) in wrong.value.reason
