"""Resource Manager beyond sites: the Cosmos account, the activity log, permissions."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rollback.rehearsal.simulator import names
from rollback.rehearsal.simulator.arm_sites import precise
from rollback.rehearsal.simulator.exchange import Call, Reply, json_reply
from rollback.rehearsal.simulator.store import record_change

if TYPE_CHECKING:
    from rollback.rehearsal.simulator.simulation import Simulation
    from rollback.rehearsal.simulator.world import Activity

PAGE = 50


def account(simulation: Simulation, call: Call, account: str) -> Reply:
    """Answer the Cosmos account resource."""
    del call
    if account.lower() != names.COSMOS_ACCOUNT:
        text = f"The Resource 'Microsoft.DocumentDB/databaseAccounts/{account}' was not found."
        return json_reply({"error": {"code": "ResourceNotFound", "message": text}}, 404)
    base = (
        f"/subscriptions/{names.SUBSCRIPTION}/resourceGroups/{names.RESOURCE_GROUP}"
        f"/providers/Microsoft.DocumentDB/databaseAccounts/{account}"
    )
    place = {
        "id": f"{account}-northeurope",
        "locationName": "North Europe",
        "documentEndpoint": f"https://{names.COSMOS_HOST}:443/",
        "provisioningState": "Succeeded",
        "failoverPriority": 0,
    }
    return json_reply(
        {
            "id": base,
            "name": account,
            "location": "North Europe",
            "type": "Microsoft.DocumentDB/databaseAccounts",
            "kind": "GlobalDocumentDB",
            "tags": {},
            "properties": {
                "provisioningState": "Succeeded",
                "documentEndpoint": f"https://{names.COSMOS_HOST}:443/",
                "publicNetworkAccess": "Enabled",
                "enableAutomaticFailover": True,
                "enableMultipleWriteLocations": False,
                "disableKeyBasedMetadataWriteAccess": not simulation.world.keys_may_change_metadata,
                "disableLocalAuth": not simulation.world.account_takes_keys,
                "databaseAccountOfferType": "Standard",
                "consistencyPolicy": {"defaultConsistencyLevel": "Session"},
                "writeLocations": [place],
                "readLocations": [place],
                "locations": [place],
                "backupPolicy": {"type": "Continuous"},
            },
        }
    )


def database_write(simulation: Simulation, call: Call) -> Reply:
    """Accept any write under Microsoft.DocumentDB and record it as a change of the account."""
    record_change(
        simulation.world,
        simulation.now(),
        principal=call.principal,
        operation=f"ARM {call.method}",
        container="*",
        document_id=call.path.rpartition("databaseAccounts/")[2],
        user_agent=call.headers.get("user-agent", ""),
        client_request_id=call.headers.get("x-ms-client-request-id", ""),
    )
    return json_reply(call.json() or {}, 200)


def activity_log(simulation: Simulation, call: Call, subscription: str) -> Reply:
    """Answer the activity log, latest first; time and resource group of $filter are honoured."""
    del subscription
    wanted = call.query.get("$filter", "")
    bounds = dict(re.findall(r"eventTimestamp (ge|le) '([^']+)'", wanted))
    resource = re.search(r"resourceUri eq '([^']+)'", wanted, re.IGNORECASE)
    found = [
        entry
        for entry in sorted(simulation.world.activity, key=lambda entry: entry.at, reverse=True)
        if ("ge" not in bounds or entry.at >= _time(bounds["ge"]))
        and ("le" not in bounds or entry.at <= _time(bounds["le"]))
        and (resource is None or resource[1].lower() in entry.resource.lower())
    ]
    start = int(call.query.get("$skiptoken", "0"))
    answer: dict[str, Any] = {"value": [_shown(entry) for entry in found[start : start + PAGE]]}
    if start + PAGE < len(found):
        query = re.sub(r"&?\$skiptoken=\d+|&?%24skiptoken=\d+", "", call.raw_query)
        answer["nextLink"] = (
            f"https://{names.ARM_HOST}{call.path}?{query}&$skiptoken={start + PAGE}"
        )
    return json_reply(answer)


def _time(text: str) -> datetime:
    # The service takes up to seven decimals; Python takes six.
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))


def _shown(entry: Activity) -> dict[str, Any]:
    return {
        "id": f"{entry.resource}/events/{entry.id}/ticks/0",
        "eventDataId": entry.id,
        "correlationId": entry.correlation,
        "caller": entry.caller,
        "level": "Informational",
        "operationName": {"value": entry.operation, "localizedValue": entry.operation},
        "category": {"value": "Administrative", "localizedValue": "Administrative"},
        "resourceGroupName": names.RESOURCE_GROUP,
        "resourceProviderName": {"value": "Microsoft.Web", "localizedValue": "Microsoft.Web"},
        "resourceId": entry.resource,
        "operationId": entry.correlation,
        "status": {"value": entry.status, "localizedValue": entry.status},
        "subStatus": {"value": "", "localizedValue": ""},
        "eventTimestamp": precise(entry.at),
        "submissionTimestamp": precise(entry.at),
        "subscriptionId": names.SUBSCRIPTION,
        "tenantId": names.TENANT,
    }


def permissions(simulation: Simulation, call: Call, scope: str) -> Reply:
    """Answer the effective permissions of the caller."""
    del call, scope
    return json_reply(
        {
            "value": [
                {
                    "actions": list(actions),
                    "notActions": list(not_actions),
                    "dataActions": [],
                    "notDataActions": [],
                }
                for actions, not_actions in (
                    (simulation.world.permissions, []),
                    *simulation.world.more_roles,
                )
            ]
        }
    )


_ROLE = "00000000-0000-0000-0000-00000000000"


def cosmos_role_assignments(simulation: Simulation, call: Call, account: str) -> Reply:
    """Answer who has which data-plane role of the account."""
    base = call.path.rpartition("/")[0]
    roles = list(simulation.world.cosmos_roles.items())
    size = simulation.world.cosmos_roles_page
    answer: dict[str, Any] = {
        "value": [
            {
                "id": f"{call.path}/{number}",
                "name": str(number),
                "type": "Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments",
                "properties": {
                    "principalId": principal,
                    "roleDefinitionId": f"{base}/sqlRoleDefinitions/{_ROLE}{role}",
                    "scope": base.removesuffix(f"/{account}") + f"/{account}",
                },
            }
            for number, (principal, role) in enumerate(roles[:size])
        ]
    }
    if len(roles) > size:
        answer["nextLink"] = f"https://{names.ARM_HOST}{call.path}?$skipToken={size}"
    return json_reply(answer)


def cosmos_role_definitions(simulation: Simulation, call: Call, account: str) -> Reply:
    """Answer the two built-in data-plane roles."""
    del simulation, account
    items = "Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers"
    reads = [
        "Microsoft.DocumentDB/databaseAccounts/readMetadata",
        f"{items}/executeQuery",
        f"{items}/readChangeFeed",
        f"{items}/items/read",
    ]
    writes = [
        "Microsoft.DocumentDB/databaseAccounts/readMetadata",
        f"{items}/*",
        f"{items}/items/*",
    ]
    roles = (("1", "Data Reader", reads), ("2", "Data Contributor", writes))
    return json_reply(
        {
            "value": [
                {
                    "id": f"{call.path}/{_ROLE}{number}",
                    "name": f"{_ROLE}{number}",
                    "type": "Microsoft.DocumentDB/databaseAccounts/sqlRoleDefinitions",
                    "properties": {
                        "roleName": f"Cosmos DB Built-in {name}",
                        "type": "BuiltInRole",
                        "permissions": [{"dataActions": actions, "notDataActions": []}],
                    },
                }
                for number, name, actions in roles
            ]
        }
    )
