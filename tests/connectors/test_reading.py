"""The clock of another machine, as its answers tell it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from rollback.connectors.reading import age_s, http_date

AT = datetime(2026, 11, 26, 19, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    "said", ["Thu, 26 Nov 2026 19:22:00 GMT", "Thu, 26 Nov 2026 19:22:00 -0000"]
)
def test_a_date_is_in_utc_whether_it_says_so_or_not(said: str) -> None:
    assert http_date(said) == AT
    assert age_s(said, AT) == 0


@pytest.mark.parametrize("said", ["", "yesterday", f"Thu, 26 Nov {'9' * 20} 19:22:00 GMT"])
def test_what_is_no_date_tells_no_age(said: str) -> None:
    assert http_date(said) is None
    assert age_s(said, AT) is None
