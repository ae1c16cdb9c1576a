"""Playbooks: what loads, what does not and why, and that any text does one or the other."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

import playbooks
from rollback.errors import InputError
from rollback.loading.playbook import load_playbook, read_playbook
from rollback.model.playbook import Playbook
from rollback.model.steps import (
    BUILT_IN,
    Confirm,
    HaltRollout,
    RestoreTraffic,
    RevertDeployment,
    SnapshotAuditLogs,
    StepSpec,
)

HEAD = "playbook: p\nsummary: s\n"


def read(text: str) -> Playbook:
    return read_playbook(text, file="p.yaml")


def refusal(text: str) -> InputError:
    with pytest.raises(InputError) as caught:
        read(text)
    assert caught.value.exit_status == 2
    return caught.value


def said(text: str) -> str:
    return "\n".join(str(complaint) for complaint in refusal(text).complaints)


def test_a_playbook_reads_like_the_runbook() -> None:
    found = read(
        HEAD
        + "steps:\n"
        + "  - halt: {action: halt_rollout, surface: web}\n"
        + "  - capture: {action: snapshot_audit_logs, window: 24h, on_failure: continue}\n"
        + "  - revert: {action: revert_deployment, surfaces: [web, backend], after: [halt]}\n"
        + "  - traffic: {action: restore_traffic, surface: web, settle: 90s, after: [revert]}\n"
        + "  - sure: {action: confirm, statement: Nobody edits dynamic_config in Cosmos.}\n"
    )
    specs = [step.spec for step in found.steps]
    assert specs == [
        HaltRollout(surfaces=("web",)),
        SnapshotAuditLogs(window=86_400),
        RevertDeployment(surfaces=("web", "backend")),
        RestoreTraffic(surfaces=("web",), settle=90),
        Confirm(statement="Nobody edits dynamic_config in Cosmos."),
    ]
    assert [step.after for step in found.steps] == [(), (), ("halt",), ("revert",), ()]
    assert [step.line for step in found.steps] == [4, 5, 6, 7, 8]
    assert found.steps[1].on_failure == "continue"
    assert found.source == "p.yaml"


ONE = HEAD + "steps:\n  - a: {action: retain_trade_halt}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HEAD + "steps:\n  - a: {action: halt_rolout, surfaces: [web]}\n",
         "p.yaml:4:9: unknown action `halt_rolout` at steps[0].a.action"),
        (HEAD + "steps:\n  - a: {action: halt_rolout, surfaces: [web]}\n", "did you mean halt_rollout?"),
        (HEAD + "steps:\n  - a: {action: halt_rollout, surfaces: web}\n",
         "p.yaml:4:31: text does not fit at steps[0].a.surfaces; expected a list"),
        (HEAD + "steps:\n  - a: {action: halt_rollout, surfaces: []}\n",
         "a list does not fit at steps[0].a.surfaces; expected a list of 1 or more"),
        (HEAD + "steps:\n  - a: {action: halt_rollout}\n", "`surfaces` is missing"),
        (HEAD + "steps:\n  - a: {action: halt_rollout, surface: web, surfaces: [web]}\n", "both"),
        (HEAD + "steps:\n  - a: {action: halt_rollout, surface: 5}\n", "steps[0].a.surface;"),
        (HEAD + "steps:\n  - a: {action: retain_trade_halt, surface: web}\n", "unknown key `surface`"),
        (HEAD + "steps:\n  - a: {action: restore_traffic, surface: web, samples: '25'}\n",
         "text does not fit at steps[0].a.samples; expected a whole number"),
        (HEAD + "steps:\n  - a: {action: restore_traffic, surface: web, samples: 5}\n",
         "greater than or equal to 20"),
        (HEAD + "steps:\n  - a: {action: snapshot_audit_logs, window: soon}\n",
         "a duration like 90s, 5m, 24h, 2d, or whole seconds or 'run'"),
        (HEAD + "steps:\n  - a: {action: snapshot_audit_logs, sources: al}\n", "`al` does not fit"),
        (HEAD + "steps:\n  - a: {action: retain_trade_halt, aftr: []}\n", "did you mean after?"),
        (HEAD + "steps:\n  - a: {action: retain_trade_halt, after: b}\n", "steps[0].a.after; expected a list"),
        (HEAD + "steps:\n  - a: {action: retain_trade_halt, on_failure: die}\n", "'stop', 'continue'"),
        (ONE + "  - a: {action: retain_trade_halt}\n",
         "p.yaml:5:5: a second step named a (the first is on line 4)"),
        (ONE + "  - b: {action: retain_trade_halt, after: [aa]}\n", "`aa` is no step of this playbook"),
        (ONE + "  - b: {action: retain_trade_halt, after: [c]}\n"
               "  - c: {action: retain_trade_halt, after: [d]}\n"
               "  - d: {action: retain_trade_halt, after: [b]}\n",
         "steps wait for each other: b -> c -> d -> b"),
        (ONE + "  - b: {action: retain_trade_halt, after: [b]}\n", "b -> b"),
        (ONE + "  - B: {action: retain_trade_halt}\n", "not a step's name"),
        (ONE + "  - a/b: {action: retain_trade_halt}\n", "not a step's name"),
        (HEAD + "steps:\n  - a:\n    action: retain_trade_halt\n", "several keys where one step"),
        (HEAD + "steps:\n  - 5\n", "a number where one step was expected"),
        (HEAD + "steps:\n  - a: 5\n", "a number where a step's fields were expected"),
        (HEAD + "steps:\n  - a: {}\n", "`action` is missing"),
        (HEAD + "steps:\n  - a: {action: [x]}\n", "a list does not fit"),
        (HEAD + "steps: {}\n", "a mapping does not fit at steps"),
        (HEAD + "steps: []\n", "at least one step"),
        (HEAD, "`steps` is missing"),
        ("summary: s\nsteps:\n  - a: {action: retain_trade_halt}\n", "`playbook` is missing"),
        (ONE + "stepps: 1\n", "unknown key `stepps`"),
        (ONE + "retain: []\n", "halt-authority-retained"),
        (ONE + "retain: [speed]\n", "`speed` does not fit at retain[0]"),
        (ONE + "parameters: {to: {default: x}}\n", "no step uses the parameter to"),
        (ONE + "parameters: 5\n", "a number does not fit at parameters"),
        (ONE + "parameters: {to: 5}\n", "parameters.to"),
        (ONE + "parameters: {to: {defalt: x}}\n", "did you mean default?"),
        (ONE + "parameters: {to: {default: x, choices: [y]}}\n", "the default is no choice"),
        (HEAD + "steps:\n  - a: {action: revert_deployment, surface: web, to: $too}\n",
         "$too is not a parameter of this playbook"),
        (HEAD + "steps:\n  - a: {action: halt_rollout, surfaces: [$s]}\n", "cannot stand in `surfaces`"),
        (HEAD + "steps:\n  - a: {action: halt_rollout, surface: $s}\n", "cannot stand in `surface`"),
        (HEAD + "parameters: {w: {choices: [auto, swapp]}}\n"
                "steps:\n  - a: {action: revert_deployment, surface: web, way: $w}\n",
         "parameter w may be `swapp`, which does not fit here"),
        (HEAD + "steps:\n  - a: {action: confirm, statement: ''}\n",
         "empty text does not fit at steps[0].a.statement; expected text"),
        ("5\n", "a number where a playbook was expected"),
    ],
)  # fmt: skip
def test_what_does_not_load_says_why(text: str, expected: str) -> None:
    assert expected in said(text)


def test_a_list_is_not_told_as_too_short_where_what_stands_in_it_does_not_fit() -> None:
    told = said(HEAD + "steps:\n  - a: {action: halt_rollout, surfaces: [5]}\n")
    assert "steps[0].a.surfaces[0]" in told
    assert "a list of" not in told


@pytest.mark.parametrize(
    "step",
    [
        "{action: cosmos_upsert}",
        "{action: write_dynamic_config}",
        "{action: run_stored_procedure}",
        "{action: repair_control_state}",
        "{action: retain_trade_halt, container: dynamic_config}",
        "{action: notify, channel: trading.documents.azure.com}",
        "{action: notify, channel: 'https://x.documents.azure.com:443/dbs/t'}",
        "{action: revert_deployment, surface: web, to: /providers/Microsoft.DocumentDB/x}",
        "{action: notify, channel: /api/control/trading}",
        "{action: notify, channel: X.DOCUMENTS.AZURE.CN}",
        "{action: notify, channel: x.documents.microsoftazure.de}",
        "{action: notify, channel: /api/dynamic-config}",
    ],
)
def test_a_write_of_control_state_cannot_be_said(step: str) -> None:
    """Promise no-control-plane-rewrite: a playbook that tries does not load, and is told why."""
    error = refusal(HEAD + f"steps:\n  - a: {step}\n")
    assert error.promise == "no-control-plane-rewrite"
    assert any("no-control-plane-rewrite" in complaint.problem for complaint in error.complaints)


def test_all_complaints_are_said_and_in_order() -> None:
    error = refusal(
        HEAD
        + "steps:\n"
        + "  - a: {action: halt_rolout}\n"
        + "  - b: {action: restore_traffic, surfaces: web, samples: 1, after: [zz]}\n"
        + "nonsense: 1\n"
    )
    assert [complaint.line for complaint in error.complaints] == [4, 5, 5, 6]


def test_parameters_stand_at_their_defaults_until_a_plan_is_made() -> None:
    found = read(
        HEAD
        + "parameters:\n  to: {default: last-stable}\n  words:\n  way: {choices: [image, swap]}\n"
        + "steps:\n"
        + "  - r: {action: revert_deployment, surface: web, to: $to, way: $way}\n"
        + "  - c: {action: confirm, statement: $words}\n"
    )
    revert, confirm = found.steps
    assert revert.references == (("to", "to"), ("way", "way"))
    assert isinstance(revert.spec, RevertDeployment)
    assert (revert.spec.to, revert.spec.way) == ("last-stable", "auto")
    assert confirm.references == (("statement", "words"),)


class WarmCache(StepSpec):
    """A third party's action."""

    action: Literal["warm_cache"] = "warm_cache"
    rounds: Annotated[int, Field(ge=1)]


def test_a_third_party_brings_its_own_steps() -> None:
    text = HEAD + "steps:\n  - w: {action: warm_cache, rounds: 3}\n"
    assert read_playbook(text, (*BUILT_IN, WarmCache)).steps[0].spec == WarmCache(rounds=3)
    assert "unknown action `warm_cache`" in said(text)


@pytest.mark.parametrize("name", ["absent.yaml", ".", "a\0b", "x" * 5000])
def test_a_file_that_cannot_be_read_is_a_complaint(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_playbook(f"{tmp_path}/{name}")
    assert "cannot be read" in str(caught.value.complaints[0])


def test_text_of_several_lines_is_taken_as_text() -> None:
    assert load_playbook(ONE) == read_playbook(ONE)


NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True)
SURFACES = st.lists(NAMES, min_size=1, max_size=3, unique=True)
SPECS = st.one_of(
    st.builds(HaltRollout, surfaces=SURFACES),
    st.builds(RevertDeployment, surfaces=SURFACES, to=NAMES, way=st.sampled_from(["auto", "swap"])),
    st.builds(
        RestoreTraffic,
        surfaces=SURFACES,
        samples=st.integers(20, 1000),
        settle=st.none() | st.integers(0, 9999),
    ),
    st.builds(SnapshotAuditLogs, window=st.integers(0, 9999) | st.just("run")),
    st.builds(Confirm, statement=st.text(min_size=1, max_size=20).filter(lambda t: "$" not in t)),
)


@given(
    st.lists(st.tuples(NAMES, SPECS), min_size=1, max_size=6, unique_by=lambda one: one[0]),
    st.data(),
)
def test_generated_playbooks_come_back_as_they_were_written(
    made: list[tuple[str, StepSpec]], data: st.DataObject
) -> None:
    steps = []
    for position, (name, spec) in enumerate(made):
        earlier = [before for before, _ in made[:position]]
        after = data.draw(st.lists(st.sampled_from(earlier), unique=True)) if earlier else []
        steps.append({name: spec.model_dump(mode="json") | {"after": after}})
    text = yaml.safe_dump({"playbook": "p", "summary": "s", "steps": steps}, sort_keys=False)
    found = read(text)
    assert [(step.name, step.spec) for step in found.steps] == made
    assert [list(step.after) for step in found.steps] == [
        next(iter(step.values()))["after"] for step in steps
    ]


LINES = Path(playbooks.path("full-rollback")).read_text().splitlines()


@given(st.data())
def test_a_shipped_playbook_broken_anywhere_loads_or_is_refused(data: st.DataObject) -> None:
    lines = list(LINES)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(lines) - 1))
        how = data.draw(st.sampled_from(["drop", "double", "text", "indent", "value"]))
        if how == "drop":
            lines[at] = ""
        elif how == "double":
            lines.insert(at, lines[at])
        elif how == "text":
            lines[at] = data.draw(st.text(max_size=20))
        elif how == "indent":
            lines[at] = "  " + lines[at]
        else:
            value = data.draw(
                st.sampled_from(["5", "[]", "{}", "$to", "$x", "~", "1.5", "[[1]]", "{a: {b: c}}"])
            )
            lines[at] = lines[at].split(":")[0] + ": " + value
    try:
        read("\n".join(lines))
    except InputError as error:
        assert error.complaints  # noqa: PT017
        assert all(complaint.problem and complaint.expected for complaint in error.complaints)  # noqa: PT017
