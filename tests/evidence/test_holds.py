"""What stands of a release, read from names alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rollback.evidence.holds import standing

Word = tuple[str, str, bool, int]
WORDS = st.lists(
    st.tuples(
        st.sampled_from(["web", "backend"]),
        st.sampled_from(["2026.11.1", "2026.11.2+hot_fix-1"]),
        st.booleans(),
        st.integers(1, 4),
    )
)


def name(word: Word) -> str:
    surface, build, held, number = word
    return f"holds/{surface}/{build}/{'held' if held else 'released'}/{number:04d}.json"


@given(WORDS, st.randoms())
def test_the_last_word_stands_in_whatever_order_names_come(words: list[Word], chance: object) -> None:
    """Against the obvious reading: say them one after another; of two at once the hold is last."""
    said: dict[tuple[str, str], bool] = {}
    for surface, build, held, _ in sorted(words, key=lambda word: (word[3], word[2])):
        said[surface, build] = held
    names = [name(word) for word in words]
    chance.shuffle(names)  # type: ignore[attr-defined]
    assert {(one.surface, one.build): one.held for one in standing(names)} == said


def test_other_names_say_nothing() -> None:
    for other in (
        "holds/web/2026.11.2/held/1.json", "holds/web/held/0001.json", "chunks/0001.json",
        "holds/web/../held/0001.json", "holds/WEB/2026.11.2/held/0001.json", "x/holds/web/1/held/0001.json",
    ):  # fmt: skip
        assert standing([other]) == ()
