"""The judgement under httpx, azure-core, botocore and websockets. One wire serves one scope."""

from rollback.guard.wire.gate import Admitted, Wire
from rollback.guard.wire.trap import CanaryEscaped, CanaryTrap

__all__ = ["Admitted", "CanaryEscaped", "CanaryTrap", "Wire"]
