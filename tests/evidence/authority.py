"""A time-stamping authority on loopback: ``openssl ts`` behind a plain HTTP server."""

from __future__ import annotations

import subprocess
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CONFIGURATION = """\
[tsa]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ess_cert_id_alg = sha256
"""
_EXTENSIONS = """\
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
"""


def _openssl(*arguments: str | Path) -> None:
    command = ["openssl", *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True)


class Authority:
    """Its root certificate, and replies to queries."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "root.pem"
        folder.mkdir()
        (folder / "serial").write_text("01\n")
        (folder / "tsa.cnf").write_text(_CONFIGURATION.format(folder=folder))
        (folder / "extensions").write_text(_EXTENSIONS)
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        _openssl(
            "req", "-x509", *key, "-keyout", folder / "root.key", "-out", self.root,
            "-subj", "/CN=Throwaway root", "-days", "2",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign",
        )  # fmt: skip
        _openssl(
            "req", *key, "-keyout", folder / "tsa.key", "-out", folder / "tsa.csr",
            "-subj", "/CN=Throwaway time-stamps",
        )  # fmt: skip
        _openssl(
            "x509", "-req", "-in", folder / "tsa.csr", "-CA", self.root, "-CAkey", folder / "root.key",
            "-out", folder / "tsa.pem", "-days", "2", "-extfile", folder / "extensions",
        )  # fmt: skip

    def reply(self, query: bytes, *more: str | Path) -> bytes:
        """What the authority answers. more: options of ``openssl ts -reply``."""
        asked, answered = self.folder / "query", self.folder / "reply"
        asked.write_bytes(query)
        _openssl(
            "ts", "-reply", "-config", self.folder / "tsa.cnf", "-section", "tsa",
            "-queryfile", asked, "-out", answered, *more,
        )  # fmt: skip
        return answered.read_bytes()

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Answer POSTs on loopback; yields the address."""
        authority = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                query = self.rfile.read(int(self.headers["Content-Length"]))
                reply = authority.reply(query)
                self.send_response(200)
                self.send_header("Content-Type", "application/timestamp-reply")
                self.send_header("Content-Length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

            def log_message(self, format: str, *args: object) -> None:
                del format, args

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
