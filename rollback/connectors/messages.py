"""What a message looks like to each service: the body of its request, within the service's limits.

Sources: docs.slack.dev (incoming webhooks: ``text``, ``&<>`` escaped, cut at 40,000 characters),
learn.microsoft.com (Teams workflows take adaptive cards only, 28 KB a message), docs.github.com
(issue comments, 65,536 characters), developer.atlassian.com (comments of version 2 of the interface
are wiki markup; 32,767 characters where an administrator did not change it).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, assert_never

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind = Literal["json", "slack", "teams", "github", "jira"]

CHARS_MAX: Mapping[Kind, int] = {
    "json": 16_000,
    "slack": 11_000,
    "teams": 8_000,
    "github": 65_000,
    "jira": 30_000,
}
"""Characters of a message's text, so that with all around it it fits."""

BYTES_MAX: Mapping[Kind, int] = {
    "json": 262_144,
    "slack": 65_536,
    "teams": 28_000,
    "github": 524_288,
    "jira": 262_144,
}
"""Bytes of a request's body: the permission's bound."""

_CARD_LINES_MAX = 160
_CUT = "(cut to fit this channel; the whole is in the plan file or the run's report)"


@dataclass(frozen=True, slots=True)
class Message:
    """text: for people, Markdown where the service is GitHub, else plain. fields: for machines.

    marker: the same for every try at the same message.
    """

    text: str
    fields: Mapping[str, Any]
    marker: str


def body_of(kind: Kind, message: Message) -> bytes:
    """The request's body, cut where even so it would be longer than the service takes."""
    body = _encoded(kind, message, message.text)
    keep = len(message.text)
    while len(body) > BYTES_MAX[kind] and keep:
        keep = keep * 2 // 3
        body = _encoded(kind, message, f"{message.text[:keep]}\n{_CUT}")
    return body


def _encoded(kind: Kind, message: Message, text: str) -> bytes:
    match kind:
        case "json":
            fields = {**message.fields, "marker": message.marker, "text": text}
            document: dict[str, Any] = fields
        case "slack":
            document = {"text": f"```\n{_slack(text)}\n```"}
        case "teams":
            document = _card(text)
        case "github":
            document = {"body": f"{text}\n\nmarker: `{message.marker}`\n"}
        case "jira":
            document = {"body": f"{_noformat(text)}\nmarker: {message.marker}"}
        case _:
            assert_never(kind)
    return json.dumps(document, sort_keys=True, ensure_ascii=False).encode()


def _slack(text: str) -> str:
    """No mention, link or end of the block survives."""
    for char, written in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("`", "\\u{60}")):
        text = text.replace(char, written)
    return text


def _noformat(text: str) -> str:
    """Jira takes what stands between two ``{noformat}`` as it is; nothing inside may end it."""
    quiet = text.replace("{noformat", "\\u{7b}noformat")
    return f"{{noformat}}\n{quiet}\n{{noformat}}"


def _card(text: str) -> dict[str, Any]:
    """An adaptive card. Runs of text are shown as they are; blocks of text would be Markdown."""
    lines = text.split("\n")
    if len(lines) > _CARD_LINES_MAX:
        lines = [*lines[:_CARD_LINES_MAX], f"({len(lines) - _CARD_LINES_MAX} more lines)"]
    blocks = [
        {
            "type": "RichTextBlock",
            "spacing": "none",
            "inlines": [{"type": "TextRun", "text": line or " ", "fontType": "Monospace"}],
        }
        for line in lines
    ]
    content = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.2",
        "body": blocks,
        "msteams": {"width": "Full"},
    }
    kind = "application/vnd.microsoft.card.adaptive"
    attachment = {"contentType": kind, "contentUrl": None, "content": content}
    return {"type": "message", "attachments": [attachment]}
