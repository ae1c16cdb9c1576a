"""What every place of a mirror must do. A place's own test is a subclass of `MirrorPlaceSuite`."""

from __future__ import annotations

from abc import abstractmethod

import pytest

from rollback.model.ports import MirrorPlace


class MirrorPlaceSuite:
    """Subclasses give one empty place."""

    @pytest.fixture
    def place(self) -> MirrorPlace:
        return self.make()

    @abstractmethod
    def make(self) -> MirrorPlace:
        """An empty place."""

    def test_what_is_created_is_read(self, place: MirrorPlace) -> None:
        assert place.create("r-1/lines-00000000.jsonl", b"one\n") is True
        assert place.get("r-1/lines-00000000.jsonl") == b"one\n"
        assert place.get("r-1/plan.json") is None

    def test_nothing_is_replaced(self, place: MirrorPlace) -> None:
        place.create("r-1/plan.json", b"first")
        assert place.create("r-1/plan.json", b"second") is False
        assert place.create("r-1/plan.json", b"first") is False
        assert place.get("r-1/plan.json") == b"first"

    def test_names_are_by_their_start_and_in_order(self, place: MirrorPlace) -> None:
        for name in ("r-1/lines-00000002.jsonl", "r-1/lines-00000000.jsonl", "r-1/plan.json", "r-10/lines-00000000.jsonl"):
            place.create(name, b"x")
        assert place.names("r-1/lines-") == ("r-1/lines-00000000.jsonl", "r-1/lines-00000002.jsonl")
        assert place.names("r-2/lines-") == ()
