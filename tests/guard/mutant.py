"""What a mutant of the rules is held against: ``python -m tests.guard.mutant``; 0 where it lives.

The oracle first, because it finds most of them in half a second; then the tests of the rules.
"""

from __future__ import annotations

import sys

import pytest

CASES = 2_000
RULES = ("edges", "shapes", "effects", "directions", "judge", "perimeter", "shape_of")
TESTS = (
    *(f"tests/guard/rules/test_{name}.py" for name in RULES),
    "tests/guard/test_fences.py",
    "tests/guard/rules/test_normal.py",
    "tests/guard/rules/test_agreement.py",
)
"""Quick ones first."""
OPTIONS = ("-x", "-q", "--no-cov", "-p", "no:randomly", "-p", "no:cacheprovider")


def main() -> int:
    """1 where the mutant is found, whichever way it fails."""
    from tests.guard.rules.agreement import disagreements

    found, _ = disagreements(CASES, 7)
    return 1 if found else int(pytest.main([*OPTIONS, *TESTS]))


if __name__ == "__main__":
    sys.exit(main())
