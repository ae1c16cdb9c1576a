"""What verification of a bundle says: each problem by rule and place, and the whole."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from rollback.model.evidence import Manifest


@dataclass(frozen=True, slots=True)
class BundleProblem:
    """One thing wrong. file: inside the bundle. line: of a journal, from 1; byte: from 0."""

    rule: str
    file: str
    what: str
    line: int | None = None
    byte: int | None = None

    def __str__(self) -> str:
        """Say where first."""
        where = self.file
        if self.line is not None:
            where += f" line {self.line}"
        if self.byte is not None:
            where += f" byte {self.byte}"
        return f"{where}: {self.what} ({self.rule})"


@dataclass(frozen=True, slots=True)
class Approved:
    """One person's decision as the journal counted it. at: when it was checked then.

    key: the fingerprint, empty for a rejection. problem: why it does not hold, empty where it does.
    """

    principal: str
    key: str
    decision: str
    at: str
    problem: str = ""

    def but(self, problem: str) -> Approved:
        """The same, with what is wrong with it."""
        return replace(self, problem=problem)


@dataclass(frozen=True, slots=True)
class BundleCheck:
    """What verification found. incomplete: sources with a gap, which are no problem of the bundle.

    manifest_sha256: to be held against what was anchored outside the machine. signed_by: the key's
    fingerprint; principals: whose it is, by the allowed signers that were given. approvals: by what
    is in the bundle, and by the people that were given.
    """

    manifest: Manifest | None
    problems: tuple[BundleProblem, ...]
    files: int = 0
    chunks: int = 0
    items: int = 0
    incomplete: tuple[str, ...] = ()
    signed_by: str = ""
    principals: tuple[str, ...] = ()
    manifest_sha256: str = ""
    approvals: tuple[Approved, ...] = ()

    @property
    def holds(self) -> bool:
        """True when nothing is wrong."""
        return not self.problems


@dataclass(slots=True)
class Findings:
    """A verification under way: what is expected in the folder, what was read, what is wrong.

    sums: as they were sealed; found: of what is here.
    """

    folder: Path
    manifest: Manifest
    problems: list[BundleProblem] = field(default_factory=list)
    contents: dict[str, bytes] = field(default_factory=dict)
    sums: dict[str, tuple[int, ...]] = field(default_factory=dict)
    found: dict[str, tuple[int, ...]] = field(default_factory=dict)
    expected: set[str] = field(default_factory=set)

    def wrong(
        self, rule: str, file: str, what: str, line: int | None = None, byte: int | None = None
    ) -> None:
        """Note one problem."""
        self.problems.append(BundleProblem(rule, file, what, line, byte))


def read_file(folder: Path, name: str, bytes_max: int) -> tuple[bytes | None, str]:
    """(content, why not). A link is not followed."""
    path = folder / name
    try:
        if path.is_symlink() or not path.is_file():
            return None, "missing" if not path.exists() else "not a plain file"
        if path.stat().st_size > bytes_max:
            return None, f"larger than {bytes_max} bytes"
        return path.read_bytes(), ""
    except OSError as error:
        return None, error.strerror or type(error).__name__
