"""hooks.trading.example: webhooks of each sort, and the comments of an issue tracker.

``/incident`` takes any JSON. ``/services/...`` takes what Slack's incoming webhooks take,
``/workflows/...`` what a Teams workflow takes, where its signature is in the query, and
``/rest/api/2/issue/KEY/comment`` is Jira's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rollback.rehearsal.simulator.exchange import Call, Reply, dispatch, json_reply, route

if TYPE_CHECKING:
    from rollback.rehearsal.simulator.simulation import Simulation

SLACK_CHARS_MAX = 40_000
TEAMS_BYTES_MAX = 28_000
JIRA_CHARS_MAX = 32_767
_CARD = "application/vnd.microsoft.card.adaptive"


def handle(simulation: Simulation, call: Call) -> Reply:
    """Answer a request to the webhook host."""
    reply = dispatch(ROUTES, simulation, call) or json_reply({"error": "not found"}, 404)
    if "x-request-id" in call.headers:
        reply.headers.append(("x-request-id", call.headers["x-request-id"]))
    return reply


def _object(call: Call) -> dict[str, Any] | None:
    body = call.json()
    return body if isinstance(body, dict) else None


def incident(simulation: Simulation, call: Call) -> Reply:
    """Take any JSON object."""
    body = _object(call)
    if body is None:
        return json_reply({"error": "a JSON object is expected"}, 400)
    simulation.world.incidents.append(body)
    return json_reply({"accepted": True}, 202)


def only_post(simulation: Simulation, call: Call) -> Reply:
    """Refuse to read."""
    del simulation, call
    return json_reply({"error": "method not allowed"}, 405)


def slack(simulation: Simulation, call: Call, team: str, channel: str, key: str) -> Reply:
    """Take a text with its markup escaped; anything else is an invalid payload."""
    del team, channel, key
    body = _object(call)
    text = body.get("text") if body else None
    if not isinstance(text, str) or not text or len(text) > SLACK_CHARS_MAX or "<" in text:
        return Reply(400, b"invalid_payload", [("content-type", "text/html")])
    simulation.world.incidents.append(body or {})
    return Reply(200, b"ok", [("content-type", "text/html")])


def teams(simulation: Simulation, call: Call, flow: str) -> Reply:
    """Take a message of adaptive cards, signed in the query."""
    del flow
    if not call.query.get("sig"):
        return json_reply({"error": {"code": "DirectApiAuthorizationRequired"}}, 401)
    body = _object(call) or {}
    cards = body.get("attachments")
    good = isinstance(cards, list) and cards and all(one["contentType"] == _CARD for one in cards)
    if body.get("type") != "message" or not good or len(call.body) > TEAMS_BYTES_MAX:
        return json_reply({"error": {"code": "InvalidRequestContent"}}, 400)
    simulation.world.incidents.append(body)
    return Reply(202)


def comments(simulation: Simulation, call: Call, issue: str) -> Reply:
    """Answer an issue's comments, newest first where asked so."""
    if not call.headers.get("authorization"):
        return json_reply({"errorMessages": ["You are not authenticated."]}, 401)
    said = simulation.world.comments.get(issue, [])
    shown = [{"id": str(index), "body": body} for index, body in enumerate(said, start=1)]
    if call.query.get("orderBy") == "-created":
        shown.reverse()
    page = shown[: int(call.query.get("maxResults", "50"))]
    return json_reply({"startAt": 0, "total": len(said), "comments": page})


def comment(simulation: Simulation, call: Call, issue: str) -> Reply:
    """Take a comment."""
    if not call.headers.get("authorization"):
        return json_reply({"errorMessages": ["You are not authenticated."]}, 401)
    text = (_object(call) or {}).get("body")
    if not isinstance(text, str) or not text or len(text) > JIRA_CHARS_MAX:
        return json_reply({"errors": {"comment": "too long, or empty"}}, 400)
    said = simulation.world.comments.setdefault(issue, [])
    said.append(text)
    return json_reply({"id": str(len(said)), "body": text}, 201)


ROUTES = (
    route("POST", "/incident", incident),
    route("GET", "/incident", only_post),
    route("POST", "/services/{team}/{channel}/{key}", slack),
    route("POST", "/workflows/{flow}/triggers/manual/paths/invoke", teams),
    route("GET", "/rest/api/2/issue/{issue}/comment", comments),
    route("POST", "/rest/api/2/issue/{issue}/comment", comment),
)
