"""A first use by several threads at once: every SDK comes up whole.

Each try is a process of its own, because a module is loaded once. Without the lock most tries fail:
azure-core is entered at several places at once, and Python hands out modules that are half made.
"""

from __future__ import annotations

import subprocess
import sys

AT_ONCE = """
import sys, threading
from rollback.guard.wire import first_use

sys.setswitchinterval(1e-5)
assert not [name for name in sys.modules if name.startswith("azure.")]
every = (
    first_use.RESOURCE_MANAGER, first_use.COSMOS, first_use.BLOBS, first_use.IDENTITY,
    first_use.S3, first_use.HTTP, first_use.SOCKETS, first_use.TOKENS,
)
entries = sorted({name for names in every for name in names})
together = threading.Barrier(len(entries))
failed = []

def enter(name):
    together.wait()
    try:
        first_use.load((name,))
    except BaseException as error:
        failed.append(f"{name}: {error!r}")

threads = [threading.Thread(target=enter, args=(name,)) for name in entries]
for one in threads: one.start()
for one in threads: one.join()
assert not failed, failed
"""


def test_several_threads_may_be_the_first_at_once() -> None:
    for _ in range(4):
        done = subprocess.run(
            [sys.executable, "-c", AT_ONCE], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-2000:]
