"""The server: one TLS port, every virtual host told apart by the Host header.

aiohttp is imported only here, when a server is built.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from rollback.rehearsal.simulator import (
    arm,
    backend,
    control,
    cosmos,
    entra,
    front,
    github,
    names,
    platform,
    webhook,
)
from rollback.rehearsal.simulator.exchange import Call, Reply
from rollback.rehearsal.simulator.ledger import entry_of
from rollback.rehearsal.simulator.verbs import fire

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable

    from aiohttp import web

    from rollback.rehearsal.simulator.simulation import Simulation

_HOSTS: dict[str, Callable[[Simulation, Call], Reply]] = {
    names.ARM_HOST: arm.handle,
    names.LOGIN_HOST: entra.handle,
    names.COSMOS_HOST: cosmos.handle,
    names.PLATFORM_HOST: platform.handle,
    names.WEBHOOK_HOST: webhook.handle,
    names.GITHUB_HOST: github.handle,
}


def answer(simulation: Simulation, call: Call) -> tuple[Reply, str | None]:
    """Answer a call, with faults and what is armed; return the fault that struck, too.

    Delays are not part of it: the server waits before it asks.
    """
    for armed in simulation.due(call, "arrives"):
        fire(simulation, armed)
    fault = simulation.striking(call)
    handle = _HOSTS.get(call.host, front.handle)
    if fault is None:
        reply = handle(simulation, call)
    elif fault.effect:
        handle(simulation, call)
        reply = fault.spoil()
    else:
        reply = fault.spoil()
    _plant(simulation, reply)
    seq = len(simulation.ledger) + 1
    struck = fault.name if fault else None
    status = 0 if reply.dropped else reply.status
    simulation.ledger.append(entry_of(call, seq, simulation.now(), status, struck))
    for armed in simulation.due(call, "answered"):
        fire(simulation, armed)
    return reply, struck


def _plant(simulation: Simulation, reply: Reply) -> None:
    """Put the canary into the body of a refusal, as careless services do."""
    secret = simulation.world.canary
    if not secret or "errors" not in simulation.world.canary_places or reply.status < 400:  # noqa: PLR2004 - HTTP errors
        return
    try:
        body = json.loads(reply.body)
    except ValueError:
        reply.body += f"\nConnection: {secret}\n".encode()
        return
    if isinstance(body, dict):
        body["debug"] = f"connection string AccountKey={secret};"
        for key in ("message", "Message", "error"):
            if isinstance(body.get(key), str):
                body[key] += f" (AccountKey={secret};)"
        reply.body = json.dumps(body).encode()


def build_server(simulation: Simulation, token: str) -> web.Server:
    """Return the server of a simulation; `token` opens the control host."""
    from aiohttp import web

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        call = await _call_of(request)
        if call.host == names.CONTROL_HOST:
            return _response(control.handle(simulation, call, token))
        if call.path == "/ws" and call.headers.get("upgrade", "").lower() == "websocket":
            return await _socket(simulation, call, request)
        await _delay(simulation, call)
        reply, _ = answer(simulation, call)
        if reply.dropped:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)
        return _response(reply)

    return web.Server(serve)


async def _call_of(request: web.BaseRequest) -> Call:
    return Call(
        method=request.method,
        host=request.host.partition(":")[0].lower(),
        path=request.path,
        raw_query=request.rel_url.raw_query_string,
        headers={name.lower(): value for name, value in request.headers.items()},
        cookies=dict(request.cookies),
        body=await request.read(),
    )


async def _delay(simulation: Simulation, call: Call) -> None:
    for fault in list(simulation.request_faults):
        if fault.kind == "latency" and fault.strikes(call):
            await asyncio.sleep(fault.seconds)


def _response(reply: Reply) -> web.Response:
    from aiohttp import web
    from multidict import CIMultiDict

    return web.Response(
        status=reply.status,
        body=reply.body or None,
        headers=CIMultiDict(reply.headers),
    )


async def _socket(
    simulation: Simulation, call: Call, request: web.BaseRequest
) -> web.StreamResponse:
    """Open the backend's web socket: one greeting, then an echo until either side closes."""
    from aiohttp import WSMsgType, web

    found = front.owner(simulation, call.host)
    place = front.place(simulation, call, *found) if found else None
    offered = [p.strip() for p in call.headers.get("sec-websocket-protocol", "").split(",")]
    carried = next((p for p in offered if p.startswith("bearer.")), None)
    token = call.bearer or (carried.removeprefix("bearer.") if carried else None)
    call.principal = backend.principal_of(simulation, token) or ""
    refused = None
    if place is None or place.at.site.surface != "backend":
        refused = 403 if found else 404
    elif not call.principal:
        refused = 401
    elif place.at.instance.serves() is None:
        refused = 503
    for armed in simulation.due(call, "arrives"):
        fire(simulation, armed)
    fault = simulation.striking(call)
    seq = len(simulation.ledger) + 1
    struck = fault.name if fault else None
    simulation.ledger.append(entry_of(call, seq, simulation.now(), refused or 101, struck))
    if fault is not None and fault.kind == "drop" and request.transport is not None:
        request.transport.abort()
    if place is None or refused or fault is not None:
        return web.json_response({"error": "refused"}, status=refused or 500)
    site = place.at.site.name
    socket = web.WebSocketResponse(protocols=[carried] if carried else [])
    for cookie in place.cookies:
        socket.headers.add("Set-Cookie", cookie)
    await socket.prepare(request)
    simulation.sockets[site].add(socket)
    try:
        await socket.send_json(
            {
                "type": "hello",
                "build": place.at.instance.serves(),
                "instance": place.at.instance.id,
            }
        )
        async for message in socket:
            if message.type == WSMsgType.TEXT:
                await socket.send_str(message.data)
    finally:
        simulation.sockets[site].discard(socket)
    return socket


async def listen(
    simulation: Simulation, token: str, context: ssl.SSLContext
) -> tuple[int, Callable[[], Awaitable[None]]]:
    """Listen on a free loopback port; return it and how to stop."""
    from aiohttp import web

    runner = web.ServerRunner(build_server(simulation, token))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context, shutdown_timeout=0.2)
    await site.start()
    port: int = runner.addresses[0][1]
    return port, runner.cleanup
