"""Sites, slots, instances, deployments and container logs as Resource Manager shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rollback.rehearsal.simulator import names
from rollback.rehearsal.simulator.exchange import Call, Reply, json_reply, text_reply
from rollback.rehearsal.simulator.transitions import RefusedError, resource_id

if TYPE_CHECKING:
    from datetime import datetime

    from rollback.rehearsal.simulator.simulation import Simulation
    from rollback.rehearsal.simulator.world import Site, Slot, World

LOCATION = "North Europe"


def web_error(status: int, code: str, message: str) -> Reply:
    """Return an error in the form that Microsoft.Web gives."""
    return json_reply(
        {
            "Code": code,
            "Message": message,
            "Target": None,
            "Details": [
                {"Message": message},
                {"Code": code},
                {"ErrorEntity": {"ExtendedCode": "59206", "Code": code, "Message": message}},
            ],
            "Innererror": None,
        },
        status,
    )


def find(world: World, site: str, slot: str = names.PRODUCTION) -> tuple[Site, Slot]:
    """Return a site and a slot; raise RefusedError with 404 where there is none."""
    home = next((s for s in world.sites.values() if s.name.lower() == site.lower()), None)
    held = home.slots.get(slot.lower()) if home else None
    if home is None or held is None:
        shown = site if slot == names.PRODUCTION else f"{site}/slots/{slot}"
        text = f"The Resource 'Microsoft.Web/sites/{shown}' was not found."
        raise RefusedError(404, "ResourceNotFound", text)
    return home, held


def precise(at: datetime, *, zone: str = "Z") -> str:
    """Return a time with milliseconds, as swap status and change times are written."""
    return f"{at.strftime('%Y-%m-%dT%H:%M:%S')}.{at.microsecond // 1000:03d}{zone}"


def resource(home: Site, held: Slot) -> dict[str, Any]:
    """Return a site or slot resource."""
    production = held.name == names.PRODUCTION
    host = names.slot_host(home.name, held.name)
    scm = host.replace(".azurewebsites.net", ".scm.azurewebsites.net")
    status = home.swap_status
    running = held.state == "Running"
    return {
        "id": resource_id(home.name, held.name),
        "name": home.name if production else f"{home.name}/{held.name}",
        "type": "Microsoft.Web/sites" if production else "Microsoft.Web/sites/slots",
        "kind": "app,linux,container",
        "location": LOCATION,
        "tags": {},
        "properties": {
            "name": home.name if production else f"{home.name}({held.name})",
            "state": held.state,
            "hostNames": [host],
            "webSpace": f"{names.RESOURCE_GROUP}-NorthEuropewebspace-Linux",
            "repositorySiteName": home.name,
            "owner": None,
            "usageState": "Normal",
            "enabled": running,
            "adminEnabled": True,
            "enabledHostNames": [host, scm],
            "siteProperties": {
                "metadata": None,
                "properties": [
                    {"name": "LinuxFxVersion", "value": f"DOCKER|{held.image}"},
                    {"name": "WindowsFxVersion", "value": None},
                ],
                "appSettings": None,
            },
            "availabilityState": "Normal",
            "hostNameSslStates": [_ssl(host, "Standard"), _ssl(scm, "Repository")],
            "serverFarmId": (
                f"/subscriptions/{names.SUBSCRIPTION}/resourceGroups/{names.RESOURCE_GROUP}"
                f"/providers/Microsoft.Web/serverfarms/trading-plan"
            ),
            "reserved": True,
            "isXenon": False,
            "hyperV": False,
            "lastModifiedTimeUtc": precise(held.modified_at, zone=""),
            "storageRecoveryDefaultState": held.state,
            "contentAvailabilityState": "Normal",
            "runtimeAvailabilityState": "Normal",
            "siteConfig": None,
            "deploymentId": held.deployment_id,
            "sku": "PremiumV3",
            "scmSiteAlsoStopped": False,
            "targetSwapSlot": held.target_swap_slot,
            "clientAffinityEnabled": home.client_affinity,
            "clientCertEnabled": False,
            "hostNamesDisabled": False,
            "kind": "app,linux,container",
            "containerSize": 0,
            "dailyMemoryTimeQuota": 0,
            "suspendedTill": None,
            "siteDisabledReason": 0 if running else 1,
            "tags": {},
            "resourceGroup": names.RESOURCE_GROUP,
            "defaultHostName": host,
            "slotSwapStatus": {
                "timestampUtc": precise(status.at),
                "sourceSlotName": status.source,
                "destinationSlotName": status.destination,
            }
            if status
            else None,
            "httpsOnly": True,
            "redundancyMode": "None",
            "inProgressOperationId": home.operation,
            "privateEndpointConnections": [],
            "buildVersion": None,
            "targetBuildVersion": None,
        },
    }


def _ssl(host: str, kind: str) -> dict[str, Any]:
    return {
        "name": host,
        "sslState": "Disabled",
        "ipBasedSslResult": None,
        "virtualIP": None,
        "thumbprint": None,
        "toUpdate": None,
        "toUpdateIpBasedSsl": None,
        "ipBasedSslState": "NotConfigured",
        "hostType": kind,
    }


def get(simulation: Simulation, call: Call, site: str, slot: str = names.PRODUCTION) -> Reply:
    """Answer a site or slot resource."""
    del call
    home, held = find(simulation.world, site, slot)
    return json_reply(resource(home, held), ETag=simulation.arm_etag(home.name, held.name))


def list_sites(simulation: Simulation, call: Call) -> Reply:
    """Answer the sites of the resource group."""
    del call
    sites = simulation.world.sites.values()
    value = [resource(home, home.slots[names.PRODUCTION]) for home in sites]
    return json_reply({"value": value, "nextLink": None, "id": None})


def list_slots(simulation: Simulation, call: Call, site: str) -> Reply:
    """Answer the slots of a site, without production."""
    del call
    home, _ = find(simulation.world, site)
    value = [resource(home, held) for name, held in home.slots.items() if name != names.PRODUCTION]
    return json_reply({"value": value, "nextLink": None, "id": None})


def instances(simulation: Simulation, call: Call, site: str, slot: str = names.PRODUCTION) -> Reply:
    """Answer the workers of a slot; a stopped one has none."""
    del call
    home, held = find(simulation.world, site, slot)
    kind = "sites" if slot == names.PRODUCTION else "sites/slots"
    value = [
        {
            "id": f"{resource_id(home.name, held.name)}/instances/{worker.id}",
            "name": worker.id,
            "type": f"Microsoft.Web/{kind}/instances",
            "location": LOCATION,
            "properties": {
                "state": "READY" if worker.serves() else "STOPPED",
                "statusUrl": None,
                "detectorUrl": None,
                "consoleUrl": None,
                "healthCheckUrl": held.health_check_path,
                "containers": {},
            },
        }
        for worker in held.instances
    ]
    if held.state == "Stopped":
        value = []
    return json_reply({"value": value, "nextLink": None, "id": None})


def deployments(
    simulation: Simulation, call: Call, site: str, slot: str = names.PRODUCTION
) -> Reply:
    """Answer the deployment history of a slot, latest first."""
    del call
    home, held = find(simulation.world, site, slot)
    kind = "sites" if slot == names.PRODUCTION else "sites/slots"
    value = [
        {
            "id": f"{resource_id(home.name, held.name)}/deployments/{past.id}",
            "name": past.id,
            "type": f"Microsoft.Web/{kind}/deployments",
            "location": LOCATION,
            "properties": {
                "id": past.id,
                "status": 4,
                "status_text": "",
                "author_email": "release@trading.example",
                "author": "release-pipeline",
                "deployer": past.deployer,
                "message": past.build,
                "progress": "",
                "received_time": precise(past.received_at),
                "start_time": precise(past.received_at),
                "end_time": precise(past.ended_at),
                "last_success_end_time": precise(past.ended_at),
                "complete": True,
                "active": past.active,
                "is_temp": False,
                "is_readonly": True,
                "url": f"https://{home.name}.scm.azurewebsites.net/api/deployments/{past.id}",
                "log_url": None,
                "site_name": home.name,
            },
        }
        for past in sorted(held.deployments, key=lambda past: past.received_at, reverse=True)
    ]
    return json_reply({"value": value, "nextLink": None, "id": None})


def container_logs(
    simulation: Simulation, call: Call, site: str, slot: str = names.PRODUCTION
) -> Reply:
    """Answer the last log lines of a slot's workers."""
    del call
    _, held = find(simulation.world, site, slot)
    lines = [
        f"{precise(worker.started_at)} INFO  - {worker.id[:12]} started release {worker.serves()}"
        for worker in held.instances
    ]
    build = simulation.world.builds.get(held.instances[0].serves() or "")
    if build and build.failing_paths:
        stamp = precise(simulation.world.at)
        lines += [f"{stamp} ERROR - GET {path} answered 500" for path in build.failing_paths]
    return text_reply("\n".join(lines) + "\n", kind="application/octet-stream")
