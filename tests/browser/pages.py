"""The pages that the browser looks at: ``python -m tests.browser.pages FOLDER``."""

from __future__ import annotations

import sys
from pathlib import Path

from rollback.loading.plan_file import load_plan
from rollback.model.record import Record, RecordKind
from rollback.rendering.faces import render, render_report
from tests.builders import SAMPLES, digest_of
from tests.rendering.hostile import FORGERIES, saying
from tests.running.drive.hand import Story

GOLDEN = Path(__file__).parents[1] / "golden" / "playbooks"


def _records() -> tuple[Record, ...]:
    story = Story(SAMPLES["full-rollback"]()).opened("full", "nobody can sign: the bridge is down")
    story.approved("ana@example.net").leased().proved().intent("halt", "ramp-rules")
    story.outcome("halt", "applied", "ramp-rules").ended("halt", "done")
    story.intent("revert-backend").outcome("revert-backend", "unknown")
    story.ended("revert-backend", "unknown", 6).ended("revert-web", "skipped")
    return tuple(story.say(RecordKind.CLOSED, exit=6).records)


def pages() -> dict[str, str]:
    """Every page by its name."""
    made = {}
    for file in sorted(GOLDEN.glob("*.json")):
        plan, _ = load_plan(file)
        made[file.stem] = render(plan, digest_of(plan), "html", max_chars=None)
    for name, make in SAMPLES.items():
        plan = make()
        made[f"sample-{name}"] = render(plan, digest_of(plan), "html", max_chars=None)
    whole = "".join(text for text in FORGERIES if "\ud800" not in text)
    for name, text in (("all", whole), ("long", "w" * 20_000), ("markup", FORGERIES[10])):
        made[f"hostile-{name}"] = render(saying(text), "0" * 64, "html", max_chars=None)
    plan = SAMPLES["full-rollback"]()
    made["report"] = render_report(plan, digest_of(plan), _records(), "html", bundle="/srv/b")
    return made


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, page in pages().items():
        (folder / f"{name}.html").write_text(page, encoding="utf-8")
