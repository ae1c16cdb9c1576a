"""Every operation that botocore's own client of STS knows: one leaves, in one form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore import UNSIGNED  # type: ignore[import-untyped, unused-ignore]
from botocore.config import Config  # type: ignore[import-untyped, unused-ignore]
from botocore.parsers import (  # type: ignore[import-untyped, unused-ignore]
    ResponseParserError,
)
from botocore.session import Session  # type: ignore[import-untyped, unused-ignore]

from rollback.errors import GuardRefusal
from rollback.guard.rules.perimeter import perimeter_of
from rollback.guard.rules.sts import ACTION
from rollback.guard.wire import botocore_wire
from tests.guard.support import ROLE, Bench, bench, taking_role
from tests.guard.wire.counting import Counting, counting

if TYPE_CHECKING:
    from collections.abc import Iterator

OPERATIONS = sorted(Session().get_service_model("sts").operation_names)
UNKNOWN = "an action of STS that is not known"
TAKING = {"RoleArn": ROLE, "RoleSessionName": "trade-rollback", "WebIdentityToken": "a.b.c"}


@pytest.fixture
def server() -> Iterator[Counting]:
    with counting() as story:
        yield story


def guarded(server: Counting, *, signed: bool = False) -> tuple[Any, Any, Bench]:
    place = f"http://{server.host}"
    told = bench(perimeter=perimeter_of(taking_role(sts_endpoint=place)))
    client = Session().create_client(
        "sts",
        region_name="eu-west-1",
        endpoint_url=place,
        aws_access_key_id="id",
        aws_secret_access_key="word",
        config=Config(
            signature_version=None if signed else UNSIGNED,
            retries={"total_max_attempts": 1, "mode": "standard"},
        ),
    )
    return client, botocore_wire.guard(told.wire, client), told


def least(shape: Any) -> Any:
    """The least that an argument of this shape may be."""
    match shape.type_name:
        case "structure":
            return {name: least(shape.members[name]) for name in shape.required_members}
        case "list":
            return [least(shape.member)]
        case "integer":
            return 900
        case _:
            return "arn:aws:iam::123456789012:role/other"


@pytest.mark.parametrize("signed", [False, True])
def test_no_other_operation_leaves_and_each_has_its_own_reason(
    server: Counting, *, signed: bool
) -> None:
    """A new release with another operation fails here until the rules name it."""
    client, leaf, told = guarded(server, signed=signed)
    reasons = set()
    for name in OPERATIONS:
        operation = client.meta.service_model.operation_model(name)
        method = next(key for key, one in client.meta.method_to_api_mapping.items() if one == name)
        with pytest.raises(GuardRefusal) as caught:
            getattr(client, method)(**least(operation.input_shape))
        if name != ACTION:
            assert caught.value.code == "guard.exchange.action"
            reasons.add(caught.value.reason)
    client.close()
    leaf.close()
    assert len(OPERATIONS) > 8
    assert len(reasons) == len(OPERATIONS) - 1
    assert UNKNOWN not in reasons
    assert (server.requests, len(told.latch.refusals)) == ([], len(OPERATIONS))


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"RoleArn": f"{ROLE}2"}, "exchange.role"),
        ({"RoleSessionName": "somebody"}, "exchange.session"),
        ({"DurationSeconds": 900}, "exchange.field"),
        ({"Policy": "{}"}, "exchange.field"),
        ({"PolicyArns": [{"arn": "arn:aws:iam::aws:policy/AdministratorAccess"}]}, "exchange.field"),
        ({"ProviderId": "www.amazon.com"}, "exchange.field"),
    ],
)
def test_the_role_is_taken_as_configured_only(
    server: Counting, changes: dict[str, Any], rule: str
) -> None:
    client, leaf, _ = guarded(server)
    with pytest.raises(GuardRefusal) as caught:
        client.assume_role_with_web_identity(**{**TAKING, **changes})
    client.close()
    leaf.close()
    assert caught.value.code == f"guard.{rule}"
    assert server.requests == []


def test_what_is_journalled_of_it_holds_no_secret(server: Counting) -> None:
    client, leaf, told = guarded(server)
    with pytest.raises(ResponseParserError):  # the server speaks JSON
        client.assume_role_with_web_identity(**{**TAKING, "WebIdentityToken": "a-web-identity-token"})
    with pytest.raises(GuardRefusal):
        client.assume_role_with_web_identity(**{**TAKING, "RoleArn": f"{ROLE}-of-somebody"})
    client.close()
    leaf.close()
    (seen,) = told.exchanges.seen_all
    assert (seen.method, seen.path) == ("POST", "/")
    ((_, shape),) = told.latch.refusals
    assert shape.body_sha256 is None
    assert "token" not in repr((seen, shape)).lower()
    assert ROLE not in repr((seen, told.latch.refusals))
