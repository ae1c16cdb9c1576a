"""The drift brief in sentences: what changed in the control plane, by whom, and what people do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rollback.rendering.words import counted, moment

if TYPE_CHECKING:
    from rollback.model.drift import DriftBrief, DriftedDocument

_CHANGES: Final = {
    "changed": "was changed",
    "added": "was added",
    "removed": "was removed",
    "rewritten": "was written again with the same content",
}


def summary_words(brief: DriftBrief) -> str:
    """The whole in one sentence."""
    read = len({one.container for one in brief.readings})
    by_people = sum(one.by == "operator" for one in brief.documents)
    strange = len(brief.documents) - by_people
    short = f"; {counted(len(brief.gaps), 'gap')}" if brief.gaps else ""
    match brief.verdict:
        case "unchanged":
            return f"control-plane state is unchanged: {counted(read, 'container')} compared"
        case "operators":
            return (
                f"{counted(by_people, 'control document')} changed by operators whom the audit "
                f"log names, none by anyone else{short}"
            )
        case "unknown":
            people = f", {by_people} by operators" if by_people else ""
            return (
                f"{counted(strange, 'control document')} changed by someone unknown{people}{short}"
            )
        case _:
            return f"nothing that was compared differs, but not everything could be{short}"


def document_words(document: DriftedDocument) -> str:
    """One document: what happened to it, who did it, and how that is known."""
    when = f" at {moment(document.written_at)}" if document.written_at else ""
    by = f"by {document.who}" if document.by == "operator" else "by someone unknown"
    if document.by != "operator" and document.who:
        by += f" ({document.who})"
    return (
        f"{document.container}/{document.id} {_CHANGES[document.change]}{when}, {by}: "
        f"{document.known_by}; etag {document.before_etag or '(not known)'} -> "
        f"{document.after_etag or '(none)'}"
    )


def repair_words(brief: DriftBrief) -> tuple[str, ...]:
    """What people do, in the order of repair. The product does none of it."""
    return tuple(_repair(one) for one in brief.documents)


def _repair(document: DriftedDocument) -> str:
    name = f"{document.container}/{document.id}"
    if document.by == "operator":
        return (
            f"{name}: ask {document.who} whether the change is to stay; if not, they take it back "
            f"through {document.repair}"
        )
    what = {
        "removed": "decide whether it is to come back; if so, create it again",
        "rewritten": "find out who wrote it; the content is the same, so nothing is to be repaired",
    }.get(document.change, "find out who wrote it, and decide what it is to hold; then repair it")
    through = "" if document.change == "rewritten" else f" through {document.repair}"
    return f"{name}: {what}{through}"
