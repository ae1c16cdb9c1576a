"""api.github.com: the deployment pipelines of one repository, their runs, and its issues."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from rollback.rehearsal.simulator import names
from rollback.rehearsal.simulator.arm_sites import precise
from rollback.rehearsal.simulator.exchange import Call, Reply, dispatch, json_reply, route

if TYPE_CHECKING:
    from rollback.rehearsal.simulator.simulation import Simulation
    from rollback.rehearsal.simulator.world import PipelineRun

_REPO = f"/repos/{names.REPOSITORY}"
ENVIRONMENT_ID = 501
COMMENT_CHARS_MAX = 65_536


def handle(simulation: Simulation, call: Call) -> Reply:
    """Answer a request to the repository host; every one needs a token."""
    if call.bearer is None:
        return json_reply({"message": "Requires authentication", "status": "401"}, 401)
    call.principal = "github:" + hashlib.sha256(call.bearer.encode()).hexdigest()[:8]
    reply = dispatch(ROUTES, simulation, call)
    reply = reply or json_reply({"message": "Not Found", "status": "404"}, 404)
    identifier = hashlib.sha256(f"{simulation.turn('github')}".encode()).hexdigest()[:20]
    return reply.with_header("x-github-request-id", identifier.upper())


def _pipeline(simulation: Simulation, file: str) -> dict[str, Any] | None:
    pipelines = simulation.world.pipelines
    for index, (name, state) in enumerate(pipelines.items()):
        if file in {name, str(9000 + index)}:
            return {
                "id": 9000 + index,
                "name": name.removesuffix(".yml"),
                "path": f".github/workflows/{name}",
                "state": state,
                "file": name,
            }
    return None


def get_pipeline(simulation: Simulation, call: Call, file: str) -> Reply:
    """Answer a pipeline and its state."""
    del call
    found = _pipeline(simulation, file)
    if found is None:
        return json_reply({"message": "Not Found", "status": "404"}, 404)
    found.pop("file")
    return json_reply(found)


def list_pipelines(simulation: Simulation, call: Call) -> Reply:
    """Answer all pipelines."""
    del call
    found = [_pipeline(simulation, name) or {} for name in simulation.world.pipelines]
    for each in found:
        each.pop("file")
    return json_reply({"total_count": len(found), "workflows": found})


def disable(simulation: Simulation, call: Call, file: str) -> Reply:
    """Disable a pipeline; the host answers 403 where it is disabled already."""
    return _switch(simulation, call, file, "disabled_manually")


def enable(simulation: Simulation, call: Call, file: str) -> Reply:
    """Enable a pipeline."""
    return _switch(simulation, call, file, "active")


def _switch(simulation: Simulation, call: Call, file: str, state: str) -> Reply:
    del call
    found = _pipeline(simulation, file)
    if found is None:
        return json_reply({"message": "Not Found", "status": "404"}, 404)
    if found["state"] == state:
        text = "Unable to change the workflow: it is in this state already."
        return json_reply({"message": text, "status": "403"}, 403)
    simulation.world.pipelines[found["file"]] = state
    return Reply(204)


def _shown(simulation: Simulation, run: PipelineRun) -> dict[str, Any]:
    pipeline = _pipeline(simulation, run.file) or {"id": 0}
    return {
        "id": run.id,
        "name": run.file.removesuffix(".yml"),
        "path": f".github/workflows/{run.file}",
        "workflow_id": pipeline["id"],
        "status": run.status,
        "conclusion": run.conclusion,
        "event": "push",
        "display_title": f"release {run.build}",
        "head_branch": "main",
        "head_sha": hashlib.sha256(run.build.encode()).hexdigest()[:40],
        "created_at": precise(run.created_at),
        "updated_at": precise(run.created_at),
    }


def runs(simulation: Simulation, call: Call, file: str | None = None) -> Reply:
    """Answer the runs, of one pipeline and one status where asked so."""
    status = call.query.get("status")
    found = [
        _shown(simulation, run)
        for run in simulation.world.runs
        if status in {None, run.status, run.conclusion} and file in {None, run.file}
    ]
    return json_reply({"total_count": len(found), "workflow_runs": found})


def _run(simulation: Simulation, run: str) -> PipelineRun | None:
    return next((each for each in simulation.world.runs if str(each.id) == run), None)


def get_run(simulation: Simulation, call: Call, run: str) -> Reply:
    """Answer one run."""
    del call
    found = _run(simulation, run)
    if found is None:
        return json_reply({"message": "Not Found", "status": "404"}, 404)
    return json_reply(_shown(simulation, found))


def cancel(simulation: Simulation, call: Call, run: str) -> Reply:
    """Cancel a run; a finished one is a conflict."""
    del call
    found = _run(simulation, run)
    if found is None:
        return json_reply({"message": "Not Found", "status": "404"}, 404)
    if found.status == "completed":
        text = "Cannot cancel a workflow run that is completed."
        return json_reply({"message": text, "status": "409"}, 409)
    found.status, found.conclusion = "completed", "cancelled"
    return json_reply({}, 202)


def pending(simulation: Simulation, call: Call, run: str) -> Reply:
    """Answer the deployments of a run that wait for a review."""
    del call
    found = _run(simulation, run)
    if found is None:
        return json_reply({"message": "Not Found", "status": "404"}, 404)
    waiting = [_pending(found)] if found.status == "waiting" else []
    return json_reply(waiting)


def _pending(run: PipelineRun) -> dict[str, Any]:
    return {
        "environment": {"id": ENVIRONMENT_ID, "name": run.environment},
        "wait_timer": 0,
        "wait_timer_started_at": None,
        "current_user_can_approve": True,
        "reviewers": [],
    }


def review(simulation: Simulation, call: Call, run: str) -> Reply:
    """Approve or reject the waiting deployments of a run."""
    found = _run(simulation, run)
    if found is None:
        return json_reply({"message": "Not Found", "status": "404"}, 404)
    body = call.json()
    given: dict[str, Any] = body if isinstance(body, dict) else {}
    if found.status != "waiting" or ENVIRONMENT_ID not in (given.get("environment_ids") or []):
        return json_reply({"message": "No pending deployment requests", "status": "422"}, 422)
    if given.get("state") == "rejected":
        found.status, found.conclusion = "completed", "failure"
    else:
        found.status = "in_progress"
    shown = {"id": found.id, "environment": found.environment, "ref": "main"}
    return json_reply([shown])


def comments(simulation: Simulation, call: Call, issue: str) -> Reply:
    """Answer a page of an issue's comments, oldest first."""
    page, size = int(call.query.get("page", "1")), int(call.query.get("per_page", "30"))
    said = simulation.world.comments.get(issue, [])
    shown = [{"id": index, "body": body} for index, body in enumerate(said, start=1)]
    return json_reply(shown[(page - 1) * size : page * size])


def comment(simulation: Simulation, call: Call, issue: str) -> Reply:
    """Take a comment."""
    body = call.json()
    text = body.get("body") if isinstance(body, dict) else None
    if not isinstance(text, str) or not text or len(text) > COMMENT_CHARS_MAX:
        return json_reply({"message": "Validation Failed", "status": "422"}, 422)
    said = simulation.world.comments.setdefault(issue, [])
    said.append(text)
    return json_reply({"id": len(said), "body": text}, 201)


ROUTES = (
    route("GET", _REPO + "/issues/{issue}/comments", comments),
    route("POST", _REPO + "/issues/{issue}/comments", comment),
    route("GET", _REPO + "/actions/workflows", list_pipelines),
    route("GET", _REPO + "/actions/workflows/{file}", get_pipeline),
    route("PUT", _REPO + "/actions/workflows/{file}/disable", disable),
    route("PUT", _REPO + "/actions/workflows/{file}/enable", enable),
    route("GET", _REPO + "/actions/workflows/{file}/runs", runs),
    route("GET", _REPO + "/actions/runs", runs),
    route("GET", _REPO + "/actions/runs/{run}", get_run),
    route("POST", _REPO + "/actions/runs/{run}/cancel", cancel),
    route("POST", _REPO + "/actions/runs/{run}/force-cancel", cancel),
    route("GET", _REPO + "/actions/runs/{run}/pending_deployments", pending),
    route("POST", _REPO + "/actions/runs/{run}/pending_deployments", review),
)
