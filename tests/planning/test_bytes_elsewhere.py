"""A plan's bytes do not depend on field order, locale, time zone or hash seed."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollback.loading.plan_file import read_plan
from rollback.planning.canonical import canonical
from tests.builders import SAMPLES, digest_of, make_plan

PRINTS = """
import hashlib, locale
try:
    locale.setlocale(locale.LC_ALL, "")
except locale.Error:
    pass
from rollback.rendering.faces import render
from tests.builders import SAMPLES, digest_of
for name, make in SAMPLES.items():
    plan = make()
    print(digest_of(plan))
    for face in ("text", "markdown", "html", "json"):
        print(hashlib.sha256(render(plan, digest_of(plan), face).encode()).hexdigest())
"""


def shuffled(tree: object, chance: random.Random) -> object:
    """The same document with the members of every object in another order."""
    if isinstance(tree, dict):
        names = list(tree)
        chance.shuffle(names)
        return {name: shuffled(tree[name], chance) for name in names}
    return [shuffled(each, chance) for each in tree] if isinstance(tree, list) else tree


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(SAMPLES)), st.integers(0, 2**32))
def test_the_order_of_fields_does_not_matter(name: str, seed: int) -> None:
    plan = SAMPLES[name]()
    other = json.dumps(shuffled(json.loads(canonical(plan)), random.Random(seed)))
    assert canonical(read_plan(other.encode())) == canonical(plan)


@pytest.mark.parametrize(
    ("zone", "words", "seed"),
    [("UTC", "C", "0"), ("Asia/Kathmandu", "C.UTF-8", "1"), ("America/St_Johns", "POSIX", "4242")],
)
def test_nor_do_locale_time_zone_and_hash_seed(zone: str, words: str, seed: str) -> None:
    around = {**os.environ, "TZ": zone, "LC_ALL": words, "LANG": words, "PYTHONHASHSEED": seed}
    ran = subprocess.run(
        [sys.executable, "-c", PRINTS], env=around, check=True, capture_output=True, text=True
    )
    lines = ran.stdout.split()
    assert len(lines) == 5 * len(SAMPLES)
    assert lines[0] == digest_of(make_plan())
    assert lines == _here()


def _here() -> list[str]:
    ran = subprocess.run([sys.executable, "-c", PRINTS], check=True, capture_output=True, text=True)
    return ran.stdout.split()
