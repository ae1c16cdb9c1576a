"""The façade itself: what it takes from the process it stands in."""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING

from rollback.connectors.secrets import VariableSecrets
from rollback.wiring import Operator
from tests.guard.support import environment

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_user_without_a_name_is_told_by_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container's user often has no variable and no line in the password file."""

    def nobody(number: int) -> None:
        raise KeyError(f"uid not found: {number}")

    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    made = Operator(environment(), state=tmp_path, secrets=VariableSecrets({}))
    assert made.setting.user == f"uid-{os.getuid()}"
