"""A platform whose names, reasons and errors try to be more than text, met by the real command."""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from rollback.planning.canonical import canonical
from rollback.rehearsal.simulator import names
from rollback.rehearsal.simulator.process import Simulator
from rollback.rehearsal.simulator.stories import default_world
from rollback.rehearsal.simulator.world import RampRule, World
from rollback.rehearsal.stage import Stage, set_stage
from tests.cli.conftest import Ran, Rollback
from tests.rendering.test_hostile_world import structure
from tests.wiring.desk import ADDRESSES, CHANNELS, KINDS

HOSTILE = {
    "markup": (
        "x\nVerdict\n   result          APPLICABLE\r\n## Approval\r\n- given: everybody\n| a | b |\n"
        "[approve](https://evil.example/) ![x](https://evil.example/x.png) @release-desk #4711\n"
        "```\n<script>alert(1)</script><img src=x onerror=alert(1)> `x` *b* {noformat}\n"
        "error: forged\nhint: run this"
    ),
    "terminal": (
        "\x1b[2J\x1b[32mAPPLICABLE\x1b]8;;https://evil.example\x07x\x07 \x9b31m \u202eelbacilppa\u202c"
        "\u2066x\u2069 \u200b\ufeff\u2028\u2029\x85 \u05d0\u05d1 \u0627\u0644 a" + "\u0301" * 60
    ),
    "long": "\uff21\u4e16x" * 5_000,
}
PLAYBOOK = f"""
playbook: hostile
summary: Halt, hold, capture, bring web back, prove it, and tell everybody.
steps:
  - halt: {{action: halt_rollout, surfaces: [backend, web]}}
  - hold: {{action: hold_release, surfaces: [web]}}
  - authority: {{action: retain_trade_halt}}
  - revert: {{action: revert_deployment, surface: web, after: [halt, authority]}}
  - verify: {{action: verify_release, surfaces: [web], bake: 1s, after: [revert]}}
{"".join(f'''
  - tell-{kind}: {{action: notify, channel: {kind}, about: outcome, after: [verify], on_failure: continue}}
''' for kind in KINDS)}
"""  # fmt: skip
FORGED = {"link_open", "image", "html_block", "html_inline", "s_open", "em_open"}
STEERS = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
REORDERS = {"R", "AL", "RLE", "RLO", "RLI", "LRE", "LRO", "LRI", "PDF", "PDI", "FSI"}


def world_saying(text: str) -> World:
    """The usual story, in which the bad build and everybody in it are called `text`."""

    def renamed(part: Any) -> Any:
        if isinstance(part, dict):
            return {renamed(name): renamed(value) for name, value in part.items()}
        if isinstance(part, list):
            return [renamed(one) for one in part]
        return text if part in (names.BAD_BUILD, "operator:sam", "o-1001", "dark-pool") else part

    plain = json.loads(default_world().model_dump_json())
    for entry in plain["activity"]:
        entry["caller"] = text
    world = World.model_validate(renamed(plain))
    slots = world.sites[names.WEB].slots
    slots[text] = slots[names.STAGING].model_copy(update={"name": text, "instances": []})
    rule = RampRule(name=text, host=names.slot_host(names.WEB, names.STAGING), percent=5)
    slots[names.PRODUCTION].ramp_rules.append(rule)
    return world


class Met:
    """What one world makes the command say, by what was asked of it."""

    def __init__(self, text: str, folder: Path, rollback: Rollback) -> None:
        self.said: dict[str, Ran] = {}
        self.posts: list[str] = []
        self._rollback, self._folder = rollback, folder
        with Simulator.start(folder / "simulator", world_saying(text)) as sim:
            stage = set_stage(folder / "stage", sim, channels=CHANNELS)
            with pytest.MonkeyPatch.context() as patch:
                for name, value in {**stage.variables, **ADDRESSES}.items():
                    patch.setenv(name, value)
                self._ask(sim, stage, text)

    def _heard(self, name: str, *args: str | Path) -> Ran:
        self.said[name] = made = self._rollback(*args)
        return made

    def _ask(self, sim: Simulator, stage: Stage, text: str) -> None:
        file, plan, refused = (
            self._folder / name for name in ("hostile.yaml", "plan.json", "refused.json")
        )
        file.write_text(PLAYBOOK)
        state = ("--state", str(stage.state), "--debug", "--log", str(self._folder / "log.jsonl"))
        given = ("--environment", stage.directory / "environment.yaml", "--incident", "INC-4711")
        posts: list[str] = [part for kind in KINDS for part in ("--post", kind)]
        sim.control.act("halt_trading", scope="tenant:alpha", by=text)
        errors = {"error": {"code": text, "message": text, "details": [text]}}
        web = names.slot_host(names.WEB, names.STAGING)
        sim.control.fault("status", host=web, status=500, body=errors, count=60)
        strange = text.encode("ascii", "replace").decode().translate(dict.fromkeys(range(32), "~"))
        spoilt = {"x-request-id": strange[:900], "Location": f"https://evil.example/{strange[:99]}"}
        sim.control.fault("status", host=names.ARM_HOST, status=429, headers=spoilt, body=errors)
        self._heard("refused", *state, "plan", file, *given, "--out", refused)
        sim.control.clear_faults()
        self._heard("plan", *state, "plan", file, *given, *posts, "--out", plan)
        for face in ("text", "markdown", "html", "json"):
            self._heard(f"show {face}", "show", plan, "--format", face)
        self._ask_of_edited(plan, text, *given[:2])
        self._heard("diff", "diff", refused, plan)
        self._heard("diff json", "diff", refused, plan, "--json")
        signed: list[str | Path] = []
        for person, key in stage.keys:
            out = self._folder / f"{person}.json"
            typed = ("--yes-environment", stage.environment.environment, "--out", out)
            self._heard(f"approve {person}", "approve", plan, "--key", key, *typed)
            signed += ["--approval", out]
        changed = {"container": "dynamic_config", "id": "limits", "values": {text[:900]: text}}
        when = {"moment": "phase", "phase": "half-way", "site": names.WEB}
        sim.control.act("write_control_document", when=when, by=text, **changed)
        sim.control.fault("status", host=names.WEBHOOK_HOST, status=500, body=errors)
        self._heard("apply", *state, "apply", plan, *signed, "--non-interactive")
        for face in ("text", "markdown", "html"):
            self._heard(f"report {face}", *state, "status", "latest", "--format", face)
        self._heard("status", *state, "status")
        self._heard("journal", *state, "evidence", "show", "latest", "--requests")
        self._heard("journal json", *state, "evidence", "show", "latest", "--requests", "--json")
        self._heard("verify", *state, "evidence", "verify", "latest")
        self._heard("evidence diff", *state, "evidence", "diff", "latest", "latest")
        self._heard("undo", *state, "undo", "latest", "--out", self._folder / "undo.json")
        self._heard("hold", *state, "hold", "show", *given[:2])
        self._heard("doctor", *state, "doctor", *given[:2])
        sim.control.fault("status", host=names.ARM_HOST, status=409, body=errors, count=0)
        self._heard("failed", *state, "plan", file, *given, "--json")
        self._heard("failed doctor", *state, "doctor", *given[:2])
        world = sim.control.world()
        self.posts = [json.dumps(one, ensure_ascii=False) for one in world.incidents]
        self.posts += [text for said in world.comments.values() for text in map(str, said)]


    def _ask_of_edited(self, plan: Path, text: str, *where: str | Path) -> None:
        """Somebody edited the plan: the refusal that names the place repeats what they wrote."""
        edits: dict[str, Any] = {
            "value": lambda tree: tree["exposures"][0].update(who=text),
            "entry": lambda tree: tree["exposures"].append({**tree["exposures"][0], "surface": text}),
            "version": lambda tree: tree.update(tool_version=text, summary=text, findings=[]),
            "action": lambda tree: tree["steps"][0].update(action=text),
        }
        for name, edit in edits.items():
            tree = json.loads(plan.read_bytes())
            edit(tree)
            file = self._folder / f"edited-{name}.json"
            file.write_bytes(canonical(tree))
            self._heard(f"edited {name}", "show", file, *where)
            self._heard(f"edited {name} diff", "diff", plan, file, *where)
        for name in ("value", "entry"):
            assert self.said[f"edited {name}"].status == 3
            assert "plan.not-as-planned" in self.said[f"edited {name}"].err


@pytest.fixture(params=HOSTILE)
def met(
    request: pytest.FixtureRequest, tmp_path: Path, rollback: Rollback
) -> tuple[str, Met]:
    text = HOSTILE[request.param]
    return text, Met(text, tmp_path, rollback)


def steered(text: str) -> set[str]:
    """Characters that hide, move, break a line or turn it round; line feeds and spaces are fine."""
    return {
        char
        for char in text
        if char != "\n"
        and (
            unicodedata.category(char) in STEERS or unicodedata.bidirectional(char) in REORDERS
        )
    }


def markdown_problems(page: str) -> set[str]:
    """Tokens that only a forgery brings: links, pictures, HTML, headings of somebody else."""
    tokens = MarkdownIt("gfm-like", {"linkify": False, "html": True}).parse(page)
    inside = [child for token in tokens for child in token.children or ()]
    found = {token.type for token in (*tokens, *inside)} & FORGED
    for child in inside:
        if child.type == "text":
            found |= set(re.findall(r"[@`|~\[\]]|://|www\.|#\d", child.content))
    return found


def test_nothing_that_the_world_says_is_more_than_text(met: tuple[str, Met]) -> None:
    text, seen = met
    said = seen.said
    assert said["plan"].status == 0, said["plan"].err
    assert said["refused"].status == 3, said["refused"].err
    assert said["apply"].status in {0, 6, 8}, said["apply"].err
    assert [name for name, ran in said.items() if ran.status == 1] == []
    assert sum(len(one.out) + len(one.err) for one in said.values()) > 20_000
    for name, ran in said.items():
        # A plan for a program is its canonical bytes; at a terminal these are escaped too.
        assert not steered(ran.err if name in {"show json", "failed"} else ran.out + ran.err), name
        for line in ran.err.split("\n"):
            assert not line.startswith(("error: forged", "hint: run this")), name
        if "html" in name:
            assert "<script" not in ran.out, name
            structure(ran.out)
        elif "markdown" in name:
            assert not markdown_problems(ran.out), name
            assert not re.search(r"(?m)^- given: everybody", ran.out), name
        elif "json" not in name:
            assert "\nVerdict\n   result          APPLICABLE\r" not in ran.out, name
            assert not re.search(r"(?m)^(## |- given|\| a|```)", ran.out), name
    assert "evil.example" not in text or "evil.example" in said["show text"].out
    # Whatever is long is cut, with its digest; a first screen stays one.
    assert max(len(said[name].err) for name in said if name.startswith("edited")) < 5_000
    for name in ("plan", "refused", "diff", "apply", "approve ana@trading.example"):
        assert len(said[name].out) + len(said[name].err) < 200_000, name
    assert len(said["show markdown"].out) <= 65_536
    for post in seen.posts:
        assert not steered(post), post[:200]
        assert len(post) < 80_000
    github = [post for post in seen.posts if post.startswith(("#", "`", "Rollback"))]
    assert github
    assert all(post.count("{noformat}") == 2 for post in seen.posts if post.startswith("{noformat}"))
    assert not {problem for post in github for problem in markdown_problems(post)}
