"""What holds for every test: chance is Hypothesis's, and nothing is judged by a stopwatch."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("shared-machine", deadline=None, print_blob=True)
settings.load_profile("shared-machine")
