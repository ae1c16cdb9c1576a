"""Credential exchange: token requests, to the configured host, path and grant only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rollback.guard.rules import sts
from rollback.guard.rules.form import BODY_BYTES_MAX, FORM, fields_of
from rollback.guard.rules.json_body import NotOneReadingError, parse
from rollback.guard.rules.request import Denial, Normal

if TYPE_CHECKING:
    from rollback.model.scope import CredentialExchange, Perimeter

MANAGED_IDENTITY: Final = "managed-identity"
"""The grant of a metadata endpoint: a GET that says ``Metadata: true``."""

_DISCOVERY: Final = (
    "/.well-known/openid-configuration",
    "/discovery/instance",
    "/discovery/keys",
    "/discovery/v2.0/keys",
)


def find(request: Normal, perimeter: Perimeter) -> CredentialExchange | None:
    """The exchange configured at the request's host and path."""
    for exchange in perimeter.exchanges:
        if exchange.path == request.path and exchange.host == request.host:
            return exchange
    return None


def not_an_exchange(request: Normal, exchange: CredentialExchange) -> Denial | None:
    """Why this is not the configured token request; None where it is."""
    if exchange.role:
        return sts.not_a_role_taken(request, exchange.role)
    if MANAGED_IDENTITY in exchange.grants:
        if request.method == "GET" and request.headers.get("metadata", "").lower() == "true":
            return None
        return Denial("exchange.metadata", "a metadata token request says GET and Metadata: true")
    if request.method != "POST" or request.query:
        return Denial("exchange.shape", "a token request is a POST without a query")
    grant = _grant(request)
    if isinstance(grant, Denial):
        return grant
    if grant not in exchange.grants:
        return Denial("exchange.grant", "a grant that is not configured for this host")
    return None


def discovers(request: Normal, perimeter: Perimeter) -> bool:
    """True for a GET of an issuer's public documents. STS is asked for a role, and for no more."""
    return (
        request.method == "GET"
        and request.path.endswith(_DISCOVERY)
        and not any(one.role and one.host == request.host for one in perimeter.exchanges)
    )


def _grant(request: Normal) -> str | Denial:
    if len(request.body) > BODY_BYTES_MAX:
        return Denial("exchange.body", "longer than a token request may be")
    if request.media_type == FORM:
        fields = fields_of(request)
        return fields if isinstance(fields, Denial) else fields.get("grant_type", "")
    if request.media_type == "application/json":
        try:
            document = parse(request.body)
        except NotOneReadingError:
            return Denial("exchange.body", "the token request is not plain JSON")
        if isinstance(document, dict) and isinstance(document.get("grant_type"), str):
            return str(document["grant_type"])
        return Denial("exchange.body", "the token request names no grant")
    return Denial("exchange.body", "a token request is a form or JSON")
