"""Every public method of azure-cosmos, classified, with a way to call it.

A new release that adds a method fails the test until the method stands here.
"""

from __future__ import annotations

from typing import Any, Final

WRITE, READ, LOCAL, OUTSIDE = "write", "read", "local", "outside"
QUERY: Final = "SELECT * FROM c"
PATCH: Final = [{"op": "add", "path": "/x", "value": 1}]
BATCH: Final = [("create", ({"id": "1", "pk": "a"},)), ("read", ("1",))]
READING_BATCH: Final = [("read", ("1",))]
_RANGE: Final = {"Range": {"min": "", "max": "FF", "isMinInclusive": True, "isMaxInclusive": False}}

Call = tuple[str, str, str, tuple[Any, ...], dict[str, Any]]
"""(class, method, class of call, positional, by name)"""


def _partition_key() -> Any:
    from azure.cosmos import PartitionKey

    return PartitionKey("/pk")


def calls() -> list[Call]:
    """The table. Arguments that both the sync and the async methods take."""
    doc: dict[str, Any] = {"id": "1", "pk": "a"}
    pk = {"partition_key": "a"}
    client, db, col, scripts, user = (
        "CosmosClient", "DatabaseProxy", "ContainerProxy", "ScriptsProxy", "UserProxy",
    )  # fmt: skip
    key = _partition_key()
    return [
        (client, "create_database", WRITE, ("d2",), {}),
        (client, "create_database_if_not_exists", WRITE, ("missing",), {}),
        (client, "create_database_if_not_exists", READ, ("d",), {}),
        (client, "delete_database", WRITE, ("d",), {}),
        (client, "get_database_account", READ, (), {}),
        (client, "get_database_client", LOCAL, ("d",), {}),
        (client, "list_databases", READ, (), {}),
        (client, "query_databases", READ, (), {"query": QUERY}),
        (db, "create_container", WRITE, ("c2", key), {}),
        (db, "create_container", WRITE, ("c2", key), {"offer_throughput": 400}),
        (db, "create_container_if_not_exists", WRITE, ("missing", key), {}),
        (db, "create_container_if_not_exists", READ, ("c", key), {}),
        (db, "create_user", WRITE, ({"id": "u"},), {}),
        (db, "delete_container", WRITE, ("c",), {}),
        (db, "delete_user", WRITE, ("u",), {}),
        (db, "get_container_client", LOCAL, ("c",), {}),
        (db, "get_user_client", LOCAL, ("u",), {}),
        (db, "get_throughput", READ, (), {}),
        (db, "list_containers", READ, (), {}),
        (db, "list_users", READ, (), {}),
        (db, "query_containers", READ, (), {"query": QUERY}),
        (db, "query_users", READ, (QUERY,), {}),
        (db, "read", READ, (), {}),
        (db, "read_offer", READ, (), {}),
        (db, "replace_container", WRITE, ("c", key), {}),
        (db, "replace_throughput", WRITE, (500,), {}),
        (db, "replace_user", WRITE, ("u", {"id": "u"}), {}),
        (db, "upsert_user", WRITE, ({"id": "u"},), {}),
        (col, "create_item", WRITE, (doc,), {}),
        (col, "create_item", WRITE, (doc,), {"pre_trigger_include": "t"}),
        (col, "delete_all_items_by_partition_key", WRITE, ("a",), {}),
        (col, "delete_conflict", WRITE, ("1",), pk),
        (col, "delete_item", WRITE, ("1",), pk),
        (col, "execute_item_batch", WRITE, (BATCH,), pk),
        (col, "execute_item_batch", WRITE, (READING_BATCH,), pk),
        (col, "feed_range_from_partition_key", LOCAL, ("a",), {}),
        (col, "get_conflict", READ, ("1",), pk),
        (col, "get_latest_session_token", LOCAL, ([(_RANGE, "0:1#1")], _RANGE), {}),
        (col, "get_throughput", READ, (), {}),
        (col, "is_feed_range_subset", LOCAL, (_RANGE, _RANGE), {}),
        (col, "list_conflicts", READ, (), {}),
        (col, "patch_item", WRITE, ("1",), {**pk, "patch_operations": PATCH}),
        (col, "query_conflicts", READ, (QUERY,), pk),
        (col, "query_items", READ, (QUERY,), pk),
        (col, "query_items", READ, (QUERY,), {"parameters": [{"name": "@a", "value": 1}], **pk}),
        (col, "query_items_change_feed", READ, (), {}),
        (col, "read", READ, (), {}),
        (col, "read_all_items", READ, (), {}),
        (col, "read_feed_ranges", READ, (), {"force_refresh": True}),
        (col, "read_item", READ, ("1",), pk),
        (col, "read_items", READ, ([("1", "a"), ("2", "b")],), {}),
        (col, "read_offer", READ, (), {}),
        (col, "replace_item", WRITE, ("1", doc), {}),
        (col, "replace_throughput", WRITE, (500,), {}),
        (col, "semantic_rerank", OUTSIDE, (), {"context": "c", "documents": ["d"]}),
        (col, "upsert_item", WRITE, (doc,), {}),
        (scripts, "create_stored_procedure", WRITE, ({"id": "s"},), {}),
        (scripts, "create_trigger", WRITE, ({"id": "s"},), {}),
        (scripts, "create_user_defined_function", WRITE, ({"id": "s"},), {}),
        (scripts, "delete_stored_procedure", WRITE, ("s",), {}),
        (scripts, "delete_trigger", WRITE, ("s",), {}),
        (scripts, "delete_user_defined_function", WRITE, ("s",), {}),
        (scripts, "execute_stored_procedure", WRITE, ("s",), pk),
        (scripts, "get_stored_procedure", READ, ("s",), {}),
        (scripts, "get_trigger", READ, ("s",), {}),
        (scripts, "get_user_defined_function", READ, ("s",), {}),
        (scripts, "list_stored_procedures", READ, (), {}),
        (scripts, "list_triggers", READ, (), {}),
        (scripts, "list_user_defined_functions", READ, (), {}),
        (scripts, "query_stored_procedures", READ, (QUERY,), {}),
        (scripts, "query_triggers", READ, (QUERY,), {}),
        (scripts, "query_user_defined_functions", READ, (QUERY,), {}),
        (scripts, "replace_stored_procedure", WRITE, ("s", {"id": "s"}), {}),
        (scripts, "replace_trigger", WRITE, ("s", {"id": "s"}), {}),
        (scripts, "replace_user_defined_function", WRITE, ("s", {"id": "s"}), {}),
        (user, "create_permission", WRITE, ({"id": "p"},), {}),
        (user, "delete_permission", WRITE, ("p",), {}),
        (user, "get_permission", READ, ("p",), {}),
        (user, "list_permissions", READ, (), {}),
        (user, "query_permissions", READ, (QUERY,), {}),
        (user, "read", READ, (), {}),
        (user, "replace_permission", WRITE, ("p", {"id": "p"}), {}),
        (user, "upsert_permission", WRITE, ({"id": "p"},), {}),
    ]


CLASSES: Final = ("CosmosClient", "DatabaseProxy", "ContainerProxy", "ScriptsProxy", "UserProxy")
NOT_CALLS: Final = {
    ("CosmosClient", "close"),
    ("CosmosClient", "from_connection_string"),
    ("ContainerProxy", "is_system_key"),
    ("ContainerProxy", "scripts"),
}
SYNC_ONLY: Final = {
    ("CosmosClient", "get_database_account"),
    ("DatabaseProxy", "read_offer"),
    ("ContainerProxy", "read_offer"),
}


def public_methods(module: Any) -> set[tuple[str, str]]:
    """(class, name) of everything public, by looking at the installed package."""
    return {
        (owner, name)
        for owner in CLASSES
        for name in dir(getattr(module, owner))
        if not name.startswith("_")
    }
