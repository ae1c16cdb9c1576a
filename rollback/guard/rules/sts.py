"""STS: the configured role is taken by a web identity token, and nothing else is asked there.

T1  a POST without a query, of a form
T2  one action, in one version; every other one is refused with its own reason
T3  a web identity token is all the proof there is: nothing is signed, and no header is Amazon's
T4  the role that the environment names, under our own session name
T5  no further field: what one that is not known here asks for, nobody judged
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from rollback.guard.rules.form import BODY_BYTES_MAX, FORM, fields_of
from rollback.guard.rules.request import Denial

if TYPE_CHECKING:
    from rollback.guard.rules.request import Normal

ACTION: Final = "AssumeRoleWithWebIdentity"
VERSION: Final = "2011-06-15"
SESSION: Final = "trade-rollback"
"""The name that the account's own log has for a session of ours: the same in every run."""

_FIELDS: Final = frozenset({"Action", "Version", "RoleArn", "RoleSessionName", "WebIdentityToken"})
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/=|-]{4,20000}")
"""A JSON web token, or one that only its provider reads: nothing that anybody would split."""

_OTHERS: Final = {
    "AssumeRole": "a role is taken by a web identity, not by another credential",
    "AssumeRoleWithSAML": "a role is taken by a web identity, not by an assertion",
    "AssumeRoot": "nobody becomes the root of an account",
    "DecodeAuthorizationMessage": "a message of a refusal is for people to decode",
    "GetAccessKeyInfo": "whose a key is is not asked",
    "GetCallerIdentity": "who we are is not asked: a signed answer to it is a proof for others",
    "GetDelegatedAccessToken": "no access is taken over from another account",
    "GetFederationToken": "no credential is made for others",
    "GetSessionToken": "no credential is made of another one",
    "GetWebIdentityToken": "no token is made that proves us elsewhere",
}


def not_a_role_taken(request: Normal, role: str) -> Denial | None:
    """Why this does not take the role by a web identity token; None where it does."""
    if request.method != "POST" or request.query:  # T1
        return Denial("exchange.shape", "a role is taken by a POST without a query")
    if request.media_type != FORM or len(request.body) > BODY_BYTES_MAX:  # T1
        return Denial("exchange.body", "a role is taken by a form, of a length that one may have")
    fields = fields_of(request)
    if isinstance(fields, Denial):
        return fields
    action = fields.get("Action", "")
    if action != ACTION:  # T2
        return Denial("exchange.action", _OTHERS.get(action, "an action of STS that is not known"))
    if any(name == "authorization" or name.startswith("x-amz-") for name in request.headers):  # T3
        return Denial("exchange.signed", "a role is taken by a request that is not signed")
    return _not_of_the_role(fields, role)


def is_token(text: str) -> bool:
    """Whether it has the form of a web identity token."""
    return _TOKEN.fullmatch(text) is not None


def _not_of_the_role(fields: dict[str, str], role: str) -> Denial | None:
    if fields.get("Version") != VERSION:  # T2
        return Denial("exchange.version", "a version of STS that is not known")
    if fields.get("RoleArn") != role:  # T4
        return Denial("exchange.role", "a role that is not the configured one")
    if fields.get("RoleSessionName") != SESSION:  # T4
        return Denial("exchange.session", "a session under a name that is not ours")
    if not is_token(fields.get("WebIdentityToken", "")):  # T3
        return Denial("exchange.token", "no web identity token, or none in its form")
    if not _FIELDS.issuperset(fields):  # T5
        return Denial("exchange.field", "a field that nobody judged: a policy, a duration, another")
    return None
