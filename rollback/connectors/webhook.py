"""Channels: one message posted to Slack, Teams, any webhook, or an issue of GitHub or Jira.

A webhook's address is a secret, so it is in no plan and no record: the permission leaves its end or
the values of its query open, and the address fills them in when the message leaves. Issues can be
searched: a message carries a marker, and is not posted where its marker already stands.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from rollback.connectors.crossing import by_status, is_success
from rollback.connectors.messages import BYTES_MAX, body_of
from rollback.connectors.pipelines import headers as github_headers
from rollback.connectors.values import at, listed, parsed, text
from rollback.errors import ConnectorError, InputError
from rollback.model.base import rfc3339
from rollback.model.direction import Direction, Undo
from rollback.model.effect import SECRET_VALUE, BoundedBody, HttpWrite, Purpose

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from rollback.connectors.messages import Message
    from rollback.model.environment import Channel, Secret
    from rollback.model.ports import Answer, HttpPort

PAGE = 100
PAGES_MAX = 10
_GITHUB_ISSUE = re.compile(r"(?:#|GH-|https?://\S+/(?:issues|pull)/)?(\d{1,10})")
_JIRA_ISSUE = re.compile(r"[A-Z][A-Z0-9_]{1,20}-\d{1,10}")

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Posted:
    """A message that stands in its channel. before: it stood there before it was to be sent."""

    status: int
    before: bool = False


def path_of(channel: Channel, incident: str | None) -> str | None:
    """The channel's path for an incident; None where the incident names no issue there."""
    if "{incident}" not in channel.path:
        return channel.path
    found = None
    if channel.kind == "github":
        match = _GITHUB_ISSUE.fullmatch(incident or "")
        found = match[1] if match else None
    elif _JIRA_ISSUE.fullmatch(incident or ""):
        found = incident
    return channel.path.replace("{incident}", found) if found else None


def notify_effect(channel: Channel, path: str, *, id: str) -> HttpWrite:
    """Post one message to a channel, once."""
    return HttpWrite(
        id=id,
        method="POST",
        host=channel.host,
        path=path,
        query=tuple((name, SECRET_VALUE) for name in sorted(channel.query)),
        body=BoundedBody(bytes_max=BYTES_MAX[channel.kind]),
        direction=Direction.NEITHER,
        purpose=Purpose.NOTIFY,
        undo=Undo(possible=False, by="a message that was read cannot be taken back"),
        says=f"post a message to channel {channel.name}",
    )


def is_of(channel: Channel, incident: str | None, effect: HttpWrite) -> bool:
    """Whether this is the channel's own message for an incident, and goes where the channel is.

    The address, token and user of a channel are for its own host, and a plan can be edited.
    """
    path = path_of(channel, incident)
    return path is not None and notify_effect(channel, path, id=effect.id) == effect


def post(
    http: HttpPort,
    channel: Channel,
    effect: HttpWrite,
    message: Message,
    secret: Callable[[Secret], str],
) -> int:
    """Post a message, once; the status. Raises ConnectorError where it was not taken."""
    body = body_of(channel.kind, message)
    given = (("content-type", "application/json"), *_credentials(channel, secret))
    target = _secret_target(channel, effect, secret)
    answer = http.send(effect, body, given, secret_target=target)
    if not is_success(answer.status):
        raise _unwelcome(answer.status, effect.says)
    return answer.status


def find(
    http: HttpPort,
    channel: Channel,
    path: str,
    marker: str,
    since: datetime,
    secret: Callable[[Secret], str],
) -> bool:
    """Whether a message with this marker stands in a searchable channel. Raises ConnectorError.

    since: nothing that was posted earlier is of interest (when the plan was made).
    """
    given = _credentials(channel, secret)
    if channel.kind == "jira":
        newest: Headers = (("maxResults", str(PAGE)), ("orderBy", "-created"))
        said = _page(http, path, newest, given, channel.name)
        return any(marker in text(one, "body") for one in listed(said, "comments"))
    for page in range(1, PAGES_MAX + 1):
        query = (("page", str(page)), ("per_page", str(PAGE)), ("since", rfc3339(since)))
        said = _page(http, path, query, given, channel.name)
        comments = said if isinstance(said, list) else []
        if any(marker in str(at(one, "body")) for one in comments):
            return True
        if len(comments) < PAGE:
            break
    return False


def _page(http: HttpPort, path: str, query: Headers, given: Headers, name: str) -> object:
    doing = f"reading what was posted to channel {name}"
    answer: Answer = http.get(path, query=query, headers=given)
    if not is_success(answer.status):
        raise _unwelcome(answer.status, doing)
    try:
        return parsed(answer.body)
    except ValueError as error:
        what = f"{doing}: the answer is not JSON"
        raise ConnectorError("webhook.unreadable", what, transient=False) from error


def _unwelcome(status: int, doing: str) -> ConnectorError:
    failure = by_status(status)
    return ConnectorError(
        f"webhook.{failure.code}",
        f"{doing}: {failure.what}",
        transient=failure.transient,
        status=status,
    )


def _credentials(channel: Channel, secret: Callable[[Secret], str]) -> Headers:
    if channel.token is None:
        return ()
    token = secret(channel.token)
    if channel.kind == "github":
        return github_headers(token)
    accept = ("accept", "application/json")
    if channel.user is None:
        return (("authorization", f"Bearer {token}"), accept)
    pair = base64.b64encode(f"{secret(channel.user)}:{token}".encode()).decode()
    return (("authorization", f"Basic {pair}"), accept)


def _secret_target(channel: Channel, effect: HttpWrite, secret: Callable[[Secret], str]) -> str:
    """Path and query of the secret address. Raises InputError where it leads elsewhere."""
    if channel.address is None:
        return ""
    try:
        parts = urlsplit(secret(channel.address))
    except ValueError:  # a broken IPv6 address; its message repeats the secret
        parts = urlsplit("")  # leads nowhere
    host = parts.netloc.lower().removesuffix(":443")
    prefix, key, _ = effect.path.partition("{key}")
    leads = parts.path.startswith(prefix) if key else parts.path == effect.path
    names = sorted(name for name, _ in parse_qsl(parts.query, keep_blank_values=True))
    if (
        parts.scheme != "https"
        or host != channel.host
        or not leads
        or names != sorted(channel.query)
    ):
        raise InputError(
            "channel.address",
            f"the address of channel {channel.name} is not https, or does not lead to the host, "
            "path and query names that the environment gives for it",
            hint=f"look at {channel.address.variable} and at the channel in the environment file",
        )
    return parts.path + (f"?{parts.query}" if parts.query else "")
