"""Deployment pipelines on GitHub: what runs or waits, and the three writes that stop a rollout."""

from __future__ import annotations

import hashlib
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Literal

import rfc8785

from rollback.connectors.crossing import by_status, is_success
from rollback.connectors.together import both, one_by_one
from rollback.connectors.values import at, listed, mapping, number, parsed, text
from rollback.errors import ConnectorError
from rollback.model.base import Frozen
from rollback.model.direction import Direction, Undo
from rollback.model.effect import Body, ExactBody, HttpWrite, NoBody, returns_max

if TYPE_CHECKING:
    from rollback.connectors.together import ReadTogether
    from rollback.model.environment import Pipeline
    from rollback.model.ports import HttpPort

RUNS_MAX = 100
API_VERSION = "2022-11-28"
ACTIVE_STATES = ("queued", "waiting", "in_progress")

Status = Literal["queued", "waiting", "in_progress"]
Headers = tuple[tuple[str, str], ...]


class Run(Frozen):
    """One run of a pipeline. path: the pipeline's file in the repository."""

    id: str
    status: str
    path: str
    title: str = ""


class Pending(Frozen):
    """A deployment that waits for a review."""

    environment_id: int
    environment: str


class PipelineView(Frozen):
    """A pipeline: its state (``active``, ``disabled_manually``, ...) and what is on its way."""

    state: str
    queued: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    in_progress: tuple[str, ...] = ()


def headers(token: str) -> Headers:
    """The headers of every request. token: a secret."""
    return (
        ("authorization", f"Bearer {token}"),
        ("accept", "application/vnd.github+json"),
        ("x-github-api-version", API_VERSION),
    )


def pipeline(
    http: HttpPort, pipeline: Pipeline, token: str, together: ReadTogether = one_by_one
) -> PipelineView:
    """The pipeline's state, and the ids of its runs that have not ended."""

    def listing() -> dict[str, tuple[Run, ...]]:
        every = [partial(runs, http, pipeline, token, status) for status in ACTIVE_STATES]
        return dict(zip(ACTIVE_STATES, together(every), strict=True))

    path = f"{_base(pipeline)}/workflows/{pipeline.file}"
    said, found = both(together, lambda: _json(http, path, (), token), listing)
    state = text(said, "state")
    return PipelineView(
        state=state,
        queued=tuple(run.id for run in found["queued"]),
        waiting=tuple(run.id for run in found["waiting"]),
        in_progress=tuple(run.id for run in found["in_progress"]),
    )


def runs(http: HttpPort, pipeline: Pipeline, token: str, status: str) -> tuple[Run, ...]:
    """Runs of this pipeline in one status, at most 100, in the order of their ids."""
    query = (("per_page", str(RUNS_MAX)), ("status", status))
    said = _json(http, f"{_base(pipeline)}/runs", query, token)
    seen = [
        Run(
            id=str(number(item, "id") or ""),
            status=text(item, "status"),
            path=text(item, "path"),
            title=text(item, "display_title"),
        )
        for item in listed(said, "workflow_runs")
    ]
    mine = [run for run in seen if run.path.partition("@")[0].endswith(f"/{pipeline.file}")]
    return tuple(sorted((run for run in mine if run.id), key=lambda run: int(run.id)))


def pending(http: HttpPort, pipeline: Pipeline, token: str, run: str) -> tuple[Pending, ...]:
    """The deployments of a run that wait for a review."""
    said = _json(http, f"{_base(pipeline)}/runs/{run}/pending_deployments", (), token)
    found = []
    for item in said if isinstance(said, list) else []:
        environment = mapping(at(item, "environment"))
        if (identifier := number(environment, "id")) is not None:
            name = text(environment, "name")
            found.append(Pending(environment_id=identifier, environment=name))
    return tuple(found)


def disable_effect(
    pipeline: Pipeline, *, id: str, direction: Direction = Direction.TOWARD
) -> HttpWrite:
    """Disable the pipeline: no new run starts. Absolute."""
    return _effect(
        pipeline,
        f"workflows/{pipeline.file}/disable",
        None,
        method="PUT",
        id=id,
        direction=direction,
        undo=Undo(possible=True, by="enabling the pipeline again, by a person"),
        says=f"disable pipeline {pipeline.file} of {pipeline.repository}",
    )


def cancel_effect(
    pipeline: Pipeline, run: str, *, id: str, direction: Direction = Direction.TOWARD
) -> HttpWrite:
    """Cancel one run."""
    return _effect(
        pipeline,
        f"runs/{run}/cancel",
        None,
        method="POST",
        id=id,
        direction=direction,
        undo=Undo(possible=True, by="starting the run again, by a person"),
        says=f"cancel run {run} of {pipeline.file}",
    )


def reject_effect(
    pipeline: Pipeline,
    run: str,
    environment_ids: tuple[int, ...],
    *,
    id: str,
    comment: str = "stopped by a rollback",
    direction: Direction = Direction.TOWARD,
) -> HttpWrite:
    """Reject the waiting deployments of one run."""
    return _effect(
        pipeline,
        f"runs/{run}/pending_deployments",
        {
            "environment_ids": sorted(environment_ids),
            "state": "rejected",
            "comment": comment,
        },
        method="POST",
        id=id,
        direction=direction,
        undo=Undo(possible=True, by="starting the run again, by a person"),
        says=f"reject the waiting deployments of run {run} of {pipeline.file}",
    )


def send(http: HttpPort, effect: HttpWrite, token: str) -> str:
    """Send one of these effects, once. Returns "" or, where it held already, why it was refused.

    A pipeline that is disabled answers 403, a run that has ended 409, a review that is done 422:
    which of them holds is for the caller to see by looking. Raises ConnectorError otherwise.
    """
    given = headers(token)
    body = b""
    if isinstance(effect.body, ExactBody) and effect.body.content is not None:
        body = effect.body.content.encode()
        given += (("content-type", "application/json"),)
    answer = http.send(effect, body, given)
    if is_success(answer.status):
        return ""
    if answer.status in {403, 409, 422}:
        return f"answered {answer.status}"
    raise _refused(answer.status, effect.says)


def _base(pipeline: Pipeline) -> str:
    return f"/repos/{pipeline.repository}/actions"


def _json(http: HttpPort, path: str, query: Headers, token: str) -> object:
    answer = http.get(path, query=query, headers=headers(token))
    if answer.status != HTTPStatus.OK:
        raise _refused(answer.status, f"GET {path}")
    try:
        return parsed(answer.body)
    except ValueError:
        problem = ConnectorError(
            "pipelines.unreadable", f"GET {path}: the answer is not JSON", transient=False
        )
    raise problem


def _refused(status: int, doing: str) -> ConnectorError:
    failure = by_status(status)
    return ConnectorError(
        f"pipelines.{failure.code}",
        f"{doing}: {failure.what}",
        transient=failure.transient,
        status=status,
        hint=failure.hint,
    )


def _effect(
    pipeline: Pipeline,
    path: str,
    content: dict[str, object] | None,
    *,
    method: Literal["PUT", "POST"],
    id: str,
    direction: Direction,
    undo: Undo,
    says: str,
) -> HttpWrite:
    body: Body = NoBody()
    if content is not None:
        written = rfc8785.dumps(content)  # type: ignore[arg-type]
        body = ExactBody(sha256=hashlib.sha256(written).hexdigest(), content=written.decode())
    return HttpWrite(
        id=id,
        method=method,
        host=pipeline.api_host,
        path=f"{_base(pipeline)}/{path}",
        body=body,
        returns_max=returns_max(direction),
        direction=direction,
        undo=undo,
        says=says,
    )
