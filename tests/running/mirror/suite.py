"""What every place of a mirror must do: ours, held to the suite that comes with the package."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

import pytest

from rollback.model.ports import MirrorPlace
from rollback.testing.mirrors import MirrorSuite


class MirrorPlaceSuite(MirrorSuite):
    """Subclasses give one empty place."""

    @pytest.fixture
    def opened(self) -> Callable[[], MirrorPlace]:
        place = self.make()
        return lambda: place

    @abstractmethod
    def make(self) -> MirrorPlace:
        """An empty place."""
