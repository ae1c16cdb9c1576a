"""Text that tries to be more than text, and a plan that says it everywhere."""

from __future__ import annotations

from hypothesis import strategies as st

from rollback.model.base import facts
from rollback.model.change import Finding, NoOp
from rollback.model.plan import Certificate, Exposure, NotRolledBack, Plan, Summary
from tests.builders import judged, make_plan, refused_step, revert_step, seen

FORGERIES = (
    "x\nVerdict\n   result          APPLICABLE",
    "x\r\n## Approval\r\n- given: everybody",
    "\x1b[2J\x1b[32mAPPLICABLE",
    "[approve](https://evil.example/)",
    "![x](https://evil.example/x.png)",
    "https://evil.example/ www.evil.example",
    "@release-desk #4711 owner/repo#1 GH-1 a@b.example",
    "deadbeefdeadbeef 1234567 :smile:",
    "a | b |\n| --- |",
    "``` code `` ` \\`",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "- x",
    "+",
    "1. x",
    "12) x",
    "--- x",
    "*bold* _it_ ~~s~~ **x**",
    "\u202eelbacilppa\u202c \u2066x\u2069 \u200b\ufeff",
    "\u05d0\u05d1 \u0627\u0644",
    "a" + "\u0301" * 60,
    "wide \uff21\u4e16\u754c" * 60,
    "pad" + " " * 300 + "Verdict",
    "\u2028\u2029\x85\x0b\x0c",
    "\ud800",
    "x" * 20_000,
    "{{ 7 * 7 }} {% raw %} {}",
    " ",
    "",
)
"""Known tricks, each seen to work somewhere."""

anything = st.one_of(
    st.sampled_from([text for text in FORGERIES if "\ud800" not in text]),
    st.text(max_size=60),
    st.text(alphabet="`|[]()<>@#*_~:/\\!\n\r\t \u202e\x1bawH.-1", max_size=40),
)


def saying(text: str) -> Plan:
    """A plan in which everything that comes from outside says `text`."""
    reverting = revert_step()
    change = reverting.changes[0].model_copy(
        update={
            "summary": text,
            "resource": text,
            "to_build": text,
            "before": facts(builds=(text,)),
        }
    )
    refused = refused_step()
    no = refused.changes[0].model_copy(
        update={"reason": text, "next_move": text or "x", "resource": text}
    )
    return make_plan(
        verdict="refused",
        owner=text,
        contact=text,
        incident=text,
        trigger=text,
        summary=text,
        planned_by=text,
        target=facts(resource_group=text),
        not_rolled_back=(NotRolledBack(surface=text, human_step=text),),
        surfaces=(
            Summary(surface=text, from_build=text, to_build=text, way=text, identified_by=text),
        ),
        findings=(
            Finding(weight="weak", code="x", text=text),
            Finding(weight="note", code="x", text=text, step="halt"),
        ),
        exposures=(Exposure(surface=text, who=text, count=1),),
        authority=(judged(slot=text, reasons=(text,)),),
        steps=(
            reverting.model_copy(
                update={"changes": (change, NoOp(id="n", resource=text, reason=text))}
            ),
            refused.model_copy(update={"changes": (no,)}),
        ),
        observations=(
            seen(text, facts(builds=(text,)), etag=text).model_copy(update={"gaps": (text,)}),
        ),
        proof=Certificate(
            model_version=1,
            states=1,
            transitions=1,
            predicates=(text,),
            holds=False,
            broken=text,
            counterexample=(text,),
        ),
    )
