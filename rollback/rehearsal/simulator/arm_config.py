"""Configuration of sites and slots: routing, image, settings, sticky names, differences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rollback.rehearsal.simulator import names, transitions
from rollback.rehearsal.simulator.arm_sites import LOCATION, find, resource, web_error
from rollback.rehearsal.simulator.exchange import Call, Reply, json_reply
from rollback.rehearsal.simulator.swap import run_start
from rollback.rehearsal.simulator.world import RampRule

if TYPE_CHECKING:
    from rollback.rehearsal.simulator.simulation import Simulation
    from rollback.rehearsal.simulator.world import Site, Slot

_PREVIEW = (
    "The slot cannot be changed because its configuration settings have been prepared for swap."
)


def web_properties(held: Slot) -> dict[str, Any]:
    """Return the configuration of a slot; ``routingRules`` mirrors the ramp-up rules."""
    rules = [
        {
            "actionHostName": rule.host,
            "reroutePercentage": rule.percent,
            "changeStep": None,
            "changeIntervalInMinutes": None,
            "minReroutePercentage": None,
            "maxReroutePercentage": None,
            "changeDecisionCallbackUrl": None,
            "name": rule.name,
        }
        for rule in held.ramp_rules
    ]
    return {
        "numberOfWorkers": len(held.instances),
        "defaultDocuments": ["index.html"],
        "netFrameworkVersion": "v4.0",
        "phpVersion": "",
        "pythonVersion": "",
        "nodeVersion": "",
        "linuxFxVersion": f"DOCKER|{held.image}",
        "windowsFxVersion": None,
        "requestTracingEnabled": False,
        "remoteDebuggingEnabled": False,
        "httpLoggingEnabled": True,
        "detailedErrorLoggingEnabled": False,
        "publishingPassword": None,
        "appSettings": None,
        "connectionStrings": None,
        "scmType": "None",
        "use32BitWorkerProcess": False,
        "webSocketsEnabled": True,
        "alwaysOn": True,
        "appCommandLine": "",
        "managedPipelineMode": "Integrated",
        "loadBalancing": "LeastRequests",
        "routingRules": rules,
        "experiments": {"rampUpRules": rules},
        "limits": None,
        "autoHealEnabled": False,
        "vnetName": "",
        "autoSwapSlotName": held.auto_swap,
        "localMySqlEnabled": False,
        "healthCheckPath": held.health_check_path,
        "http20Enabled": True,
        "minTlsVersion": "1.2",
        "ftpsState": "Disabled",
    }


def _config(home: Site, held: Slot, name: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": f"{transitions.resource_id(home.name, held.name)}/config/{name}",
        "name": home.name if name == "web" else name,
        "type": "Microsoft.Web/sites/config",
        "location": LOCATION,
        "tags": {},
        "properties": properties,
    }


def get_web(simulation: Simulation, call: Call, site: str, slot: str = names.PRODUCTION) -> Reply:
    """Answer the configuration of a slot."""
    del call
    home, held = find(simulation.world, site, slot)
    return json_reply(_config(home, held, "web", web_properties(held)))


def change_web(
    simulation: Simulation, call: Call, site: str, slot: str = names.PRODUCTION
) -> Reply:
    """Change the given properties only; the answer carries the site's identity, as recorded."""
    world, now = simulation.world, simulation.now()
    home, held = find(world, site, slot)
    transitions.refuse_while_busy(world, home.name)
    if held.target_swap_slot and held.name != names.PRODUCTION:
        return web_error(409, "Conflict", _PREVIEW)
    body = call.json()
    given = body.get("properties") if isinstance(body, dict) else None
    if not isinstance(given, dict):
        return web_error(400, "BadRequest", "The parameter properties has an invalid value.")
    experiments = given.get("experiments")
    if isinstance(experiments, dict) and "rampUpRules" in experiments:
        held.ramp_rules = [_rule(rule) for rule in experiments["rampUpRules"] or []]
    if "autoSwapSlotName" in given:
        held.auto_swap = given["autoSwapSlotName"] or None
    if "healthCheckPath" in given:
        held.health_check_path = given["healthCheckPath"] or None
    image = given.get("linuxFxVersion")
    if isinstance(image, str) and image.startswith("DOCKER|"):
        wanted = image.removeprefix("DOCKER|")
        if wanted != held.image:
            transitions.set_image(world, now, home.name, held.name, wanted, call.principal)
            simulation.spawn(run_start(simulation, home.name, held.name))
    held.modified_at = now
    _log(simulation, call, home, held, "config/write")
    shown = resource(home, held)
    shown["properties"] = web_properties(held)
    return json_reply(shown, ETag=simulation.arm_etag(home.name, held.name))


def _rule(given: dict[str, Any]) -> RampRule:
    return RampRule(
        name=str(given.get("name") or ""),
        host=str(given.get("actionHostName") or ""),
        percent=float(given.get("reroutePercentage") or 0),
    )


def _log(simulation: Simulation, call: Call, home: Site, held: Slot, action: str) -> None:
    slots = "" if held.name == names.PRODUCTION else "slots/"
    transitions.log_activity(
        simulation.world,
        simulation.now(),
        caller=call.principal,
        operation=f"Microsoft.Web/sites/{slots}{action}",
        resource=transitions.resource_id(home.name, held.name),
        correlation=call.correlation,
    )


def list_settings(
    simulation: Simulation, call: Call, site: str, slot: str = names.PRODUCTION
) -> Reply:
    """Answer the application settings of a slot."""
    del call
    home, held = find(simulation.world, site, slot)
    return json_reply(_config(home, held, "appsettings", dict(held.settings)))


def put_settings(
    simulation: Simulation, call: Call, site: str, slot: str = names.PRODUCTION
) -> Reply:
    """Replace the whole dictionary of settings; the slot's release restarts."""
    home, held = find(simulation.world, site, slot)
    transitions.refuse_while_busy(simulation.world, home.name)
    body = call.json()
    given = body.get("properties") if isinstance(body, dict) else None
    if not isinstance(given, dict):
        return web_error(400, "BadRequest", "The parameter properties has an invalid value.")
    held.settings = {str(name): str(value) for name, value in given.items()}
    held.modified_at = simulation.now()
    _log(simulation, call, home, held, "config/write")
    simulation.spawn(run_start(simulation, home.name, held.name))
    answer = _config(home, held, "appsettings", dict(held.settings))
    return json_reply(answer, ETag=simulation.arm_etag(home.name, held.name))


def list_connections(
    simulation: Simulation, call: Call, site: str, slot: str = names.PRODUCTION
) -> Reply:
    """Answer the connection strings of a slot: none."""
    del call
    home, held = find(simulation.world, site, slot)
    return json_reply(_config(home, held, "connectionstrings", {}))


def sticky_names(simulation: Simulation, call: Call, site: str) -> Reply:
    """Answer the names of the settings that stay with their slot."""
    del call
    home, _ = find(simulation.world, site)
    return json_reply(
        {
            "id": None,
            "name": home.name,
            "type": "Microsoft.Web/sites",
            "location": LOCATION,
            "tags": {},
            "properties": {
                "connectionStringNames": [],
                "appSettingNames": list(home.sticky),
                "azureStorageConfigNames": [],
            },
        }
    )


def differences(
    simulation: Simulation, call: Call, site: str, slot: str = names.PRODUCTION
) -> Reply:
    """Answer the settings that differ between two slots and would move in a swap."""
    body = call.json()
    wanted = body.get("targetSlot") if isinstance(body, dict) else None
    home, held = find(simulation.world, site, slot)
    _, target = find(simulation.world, site, str(wanted or names.PRODUCTION))
    found = []
    if held.image != target.image:
        found.append(
            ("General", "LinuxFxVersion", f"DOCKER|{held.image}", f"DOCKER|{target.image}")
        )
    for name in sorted(set(held.settings) | set(target.settings)):
        here, there = held.settings.get(name), target.settings.get(name)
        if name not in home.sticky and here != there:
            found.append(("AppSetting", name, here or "", there or ""))
    base = transitions.resource_id(home.name, held.name)
    value = [
        {
            "id": f"{base}/slotsdiffs/{setting}",
            "name": setting,
            "type": "Microsoft.Web/sites/slots/slotsdiffs",
            "properties": {
                "level": "Warning",
                "settingType": kind,
                "diffRule": "SettingsWillBeModifiedInDestination",
                "settingName": setting,
                "valueInCurrentSlot": here,
                "valueInTargetSlot": there,
                "description": f"The value of '{setting}' will move with the swap.",
            },
        }
        for kind, setting, here, there in found
    ]
    return json_reply({"value": value, "nextLink": None, "id": None})
