"""What STS answers where it gives no credential: told in our own words, and numbers, alone."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from rollback.connectors.crossing import Failure, by_status, chain

_SOMEBODY_ELSE: Final = "see what answers there: a proxy or a log-in page may stand in its place"
_NOT_ACCEPTED: Final = {
    "AccessDenied": "the role does not trust this web identity",
    "ExpiredTokenException": "the web identity token has run out",
    "IDPRejectedClaim": "the identity provider does not accept the web identity token",
    "InvalidIdentityToken": "the web identity token is not accepted",
    "RegionDisabledException": "STS is not active in this region",
}
"""What STS says of a request that it does not accept. Nothing else of its answer is told."""
PARSED: Final = frozenset({HTTPStatus.OK, HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN})
"""Answers with these are read: a credential, or what STS calls its reason."""
_NO_PROVIDER: Final = "IDPCommunicationError"


def sts_failure(error: Exception) -> Failure | None:
    """What an exception of botocore means, where a role was asked for."""
    from botocore import exceptions as aws  # type: ignore[import-untyped, unused-ignore]
    from botocore.parsers import (  # type: ignore[import-untyped, unused-ignore]
        ResponseParserError,
    )

    from rollback.guard.wire.bounded_answer import TooMuchError

    if any(isinstance(one, TooMuchError) for one in chain(error)):
        what = "no credential was had: what STS answered is larger, or takes longer, than it may"
        return Failure("too-large", what, transient=False, hint=_SOMEBODY_ELSE)
    if isinstance(error, aws.ClientError):
        told = error.response
        status = told.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return refused(status, str(told.get("Error", {}).get("Code")))
    if isinstance(error, (aws.ConnectTimeoutError, aws.ReadTimeoutError)):
        what = "no credential was had: no answer of STS in time"
        return Failure("timeout", what, transient=True)
    if isinstance(error, (aws.HTTPClientError, aws.ConnectionError, aws.IncompleteReadError)):
        what = "no credential was had: STS could not be reached, or broke off"
        return Failure("unreachable", what, transient=True)
    if isinstance(error, (aws.BotoCoreError, ResponseParserError, ValueError, LookupError)):
        what = "no credential was had: the request, or what STS answered, was not valid"
        return Failure("unreadable", what, transient=False, hint=_SOMEBODY_ELSE)
    return None


def refused(status: int, code: str = "") -> Failure:
    """Why, without the status: of the store, which the role was for, it says nothing.

    code: what STS calls it.
    """
    if code == _NO_PROVIDER:
        what = "no credential was had: STS did not reach the identity provider"
        return Failure("unavailable", what, transient=True)
    if status in PARSED:
        why = _NOT_ACCEPTED.get(code, f"STS did not accept the request ({status})")
        hint = "check the role's trust policy, the token's audience, and who renews the token"
        return Failure("denied", f"no credential was had: {why}", transient=False, hint=hint)
    known = by_status(status)
    what = f"no credential was had: STS answered {status}"
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        what = f"no credential was had: STS points elsewhere ({status}), where nothing is asked"
    name = known.code if known.transient else "refused"
    return Failure(name, what, transient=known.transient, hint=_SOMEBODY_ELSE)


def unreadable(what: str, hint: str = _SOMEBODY_ELSE) -> Failure:
    """What STS answered with success is none that can be used. what: completes ``it ...``."""
    said = f"no credential was had: what STS answered {what}"
    return Failure("unreadable", said, transient=False, hint=hint)
