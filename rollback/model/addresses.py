"""How an address in an environment file is written: a host and a port that the guard can judge."""

from __future__ import annotations

from typing import Final

_PORT: Final = (
    "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
)

URL: Final = rf"^https?://[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:{_PORT})?(/[^\s?#]*)?$"
HOST: Final = rf"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:{_PORT})?$"
REACHED_AT: Final = rf"^[A-Za-z0-9.:-]+:{_PORT}$"
