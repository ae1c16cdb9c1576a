"""A plan with its bytes: what is shown, signed and applied is the same document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rollback.errors import ExitStatus, Refused
from rollback.loading.plan_file import load_plan, read_plan
from rollback.planning.canonical import canonical, sha256_hex
from rollback.running.preflight import planned_exit

if TYPE_CHECKING:
    from os import PathLike

    from rollback.model.plan import Plan


@dataclass(frozen=True, slots=True)
class PlanDocument:
    """An inert plan, its canonical bytes and their digest."""

    plan: Plan
    canonical: bytes
    digest: str

    @classmethod
    def of(cls, plan: Plan) -> PlanDocument:
        """The document of a plan just made."""
        data = canonical(plan)
        return cls(plan, data, sha256_hex(data))

    @classmethod
    def load(cls, path: str | PathLike[str]) -> PlanDocument:
        """Read a plan file. Raises InputError, or Refused where its bytes were edited by hand."""
        plan, data = load_plan(path)
        return cls._checked(plan, data)

    @classmethod
    def read(cls, data: bytes) -> PlanDocument:
        """Read a plan from bytes. Raises like `load`."""
        return cls._checked(read_plan(data), data)

    @classmethod
    def _checked(cls, plan: Plan, data: bytes) -> PlanDocument:
        document = cls.of(plan)
        if document.canonical != data.rstrip(b"\n"):
            raise Refused(
                "plan.edited",
                "the plan file is not the canonical form of the plan in it: it was edited",
                hint="make the plan again; nothing was sent",
                promise="plan-is-permission",
            )
        return document

    @property
    def exit_status(self) -> ExitStatus:
        """What making this plan amounts to: 0, or why it was refused."""
        return ExitStatus.DONE if self.plan.verdict == "applicable" else planned_exit(self.plan)

    @property
    def made_here(self) -> bool:
        """Whether it says that the version installed here made it."""
        from rollback.wiring.setting import tool_version

        return self.plan.tool_version == tool_version()

    def to_text(self, *, colour: bool = False, width: int = 100) -> str:
        """For a terminal."""
        from rollback.rendering.faces import render

        return render(self.plan, self.digest, "text", colour=colour, width=width)

    def to_markdown(self) -> str:
        """For a ticket."""
        from rollback.rendering.faces import render

        return render(self.plan, self.digest, "markdown")

    def to_html(self) -> str:
        """One self-contained page."""
        from rollback.rendering.faces import render

        return render(self.plan, self.digest, "html")

    def to_json(self) -> str:
        """The canonical document itself."""
        return self.canonical.decode()
