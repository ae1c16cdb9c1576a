"""Check approvals: which people, known to the environment, approve exactly this plan, now.

People are counted, not signatures: principals that share a key, and keys that share a principal,
are one person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rollback.approval import cryptography_keys, ssh_keygen
from rollback.approval.allowed_signers import (
    AllowedSigner,
    read_allowed_signers,
    read_revoked,
)
from rollback.approval.file import ApprovalFile, read_approval
from rollback.approval.sshsig import (
    SECURITY_KEYS,
    MalformedSignature,
    Signature,
    fingerprint,
    read_signature,
)
from rollback.approval.statement import NAMESPACE, Statement, read_statement
from rollback.errors import ApprovalMissing, InputError
from rollback.model.base import rfc3339
from rollback.model.durations import spoken

FILES_MAX = 100


@dataclass(frozen=True, slots=True)
class ApprovalProblem:
    """Why one approval file (by its number, from 1) does not count. code: ``approval.*``."""

    file: int
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class ApprovalCheck:
    """The people who approve. accepted: (principal, key fingerprint), one a person.

    rejected_by: principals whose valid signature says no; one is enough to block.
    """

    needed: int
    accepted: tuple[tuple[str, str], ...]
    problems: tuple[ApprovalProblem, ...]
    rejected_by: tuple[str, ...]

    @property
    def enough(self) -> bool:
        """True when as many people as needed approve and nobody rejects."""
        return not self.rejected_by and len(self.accepted) >= self.needed

    def demand(self) -> None:
        """Raise ApprovalMissing where it is not enough: the code says what is in the way."""
        if self.enough:
            return
        if self.rejected_by:
            code = "approval.rejected"
            reason = f"the plan is rejected by {', '.join(self.rejected_by)}"
            hint = "talk to them, then make a new plan"
        else:
            code = self.problems[0].code if self.problems else "approval.missing"
            reason = f"{len(self.accepted)} of {self.needed} needed people approve this plan"
            reason += "".join(f"; file {said.file}: {said.reason}" for said in self.problems[:5])
            hint = "let another person sign with `rollback approve`; halts need no approval: "
            hint += "`rollback apply --only-safe`"
        raise ApprovalMissing(code, reason, hint=hint, promise="fail-closed")


@dataclass(frozen=True, slots=True)
class _Signed:
    statement: Statement
    principal: str
    key: bytes


def check_approvals(  # noqa: PLR0913 - everything an approval is held against
    plan_sha256: str,
    environment: str,
    files: Sequence[bytes],
    allowed_signers: str,
    now: datetime,
    *,
    needed: int,
    outlast_s: int,
    lasts_s_max: int | None = None,
    revoked: str = "",
) -> ApprovalCheck:
    """Check approval files against the text of an allowed-signers file.

    outlast_s: how long from now an approval must still be valid (the plan's longest duration).
    lasts_s_max: the longest validity an approval may claim. revoked: public keys that count for
    nothing, one a line. A file that does not count is a problem, never an exception. Raises
    InputError where the signers or the revoked keys cannot be read.
    """
    signers = read_allowed_signers(allowed_signers)
    gone = read_revoked(revoked)
    people = _People(signers)
    accepted: dict[str, tuple[str, str]] = {}
    problems: list[ApprovalProblem] = []
    rejected: list[str] = []
    if len(files) > FILES_MAX:
        msg = f"{len(files)} approval files; at most {FILES_MAX} are read"
        raise InputError("approval.too-many", msg, hint="name only this plan's approvals")
    for number, data in enumerate(files, start=1):
        try:
            signed = _authentic(read_approval(data), signers, gone, now)
            _this_plan(signed.statement, plan_sha256, environment)
            if signed.statement.decision == "reject":
                rejected.append(signed.principal)
                continue
            _in_time(signed.statement, now, outlast_s, lasts_s_max)
        except ApprovalMissing as error:
            problems.append(ApprovalProblem(number, error.code, error.reason))
            continue
        person = people.who(signed.principal, signed.key)
        accepted.setdefault(person, (signed.principal, fingerprint(signed.key)))
    # A later signature can show that two of them are one person: count again at the end.
    by_person = {people.find(person): pair for person, pair in reversed(accepted.items())}
    return ApprovalCheck(
        needed=needed,
        accepted=tuple(sorted(by_person.values())),
        problems=tuple(problems),
        rejected_by=tuple(sorted(set(rejected))),
    )


def _authentic(
    file: ApprovalFile, signers: tuple[AllowedSigner, ...], gone: tuple[bytes, ...], now: datetime
) -> _Signed:
    """Whose word it is. Raises ApprovalMissing."""
    statement = read_statement(file.statement)
    try:
        signature = read_signature(file.signature)
        if signature.namespace != NAMESPACE:
            raise _no("namespace", f"it is signed for {signature.namespace!r}, not for approvals")
        good = _holds(signature, file.statement.encode())
    except MalformedSignature as error:
        raise _no("bad-signature", f"the signature is refused: {error}") from error
    except UnicodeError as error:
        raise _no("malformed", "the statement is not Unicode text") from error
    if not good:
        raise _no("bad-signature", "the signature does not belong to this statement and key")
    if signature.key in gone:
        raise _no("revoked", f"the key {signature.fingerprint} is revoked")
    return _Signed(statement, _principal(statement, signature, signers, now), signature.key)


def _holds(signature: Signature, message: bytes) -> bool:
    if signature.algorithm in SECURITY_KEYS:
        return ssh_keygen.holds(signature, message)
    return cryptography_keys.holds(signature, message)


def _principal(
    statement: Statement, signature: Signature, signers: tuple[AllowedSigner, ...], now: datetime
) -> str:
    lines = [line for line in signers if line.key == signature.key and line.allows(NAMESPACE)]
    if not lines:
        raise _no("unknown-signer", f"the key {signature.fingerprint} is nobody's here")
    lines = [line for line in lines if line.valid_at(now)]
    if not lines:
        raise _no("signer-not-valid", f"the key {signature.fingerprint} is not valid at this time")
    claimed = statement.approver
    if claimed is not None:
        if any(line.names(claimed) for line in lines):
            return claimed
        raise _no("unknown-signer", f"the key {signature.fingerprint} is not one of {claimed!r}")
    for line in lines:
        for name in line.plain_principals:
            if line.names(name):
                return name
    raise _no("unknown-signer", "the statement must name its approver: the signers' line does not")


def _this_plan(statement: Statement, plan_sha256: str, environment: str) -> None:
    if statement.plan_sha256 != plan_sha256:
        raise _no("wrong-plan", f"it is for the plan {statement.plan_sha256[:12]}, another one")
    if statement.environment != environment:
        raise _no("wrong-environment", f"it is for the environment {statement.environment}")


def _in_time(statement: Statement, now: datetime, outlast_s: int, lasts_s_max: int | None) -> None:
    if now < statement.not_before:
        since, then = rfc3339(statement.not_before), rfc3339(now)  # one clock is wrong, most likely
        raise _no("not-yet", f"it is valid from {since} only, and the run's clock said {then}")
    if now > statement.expires:
        raise _no("expired", f"it expired at {rfc3339(statement.expires)}")
    if statement.expires < now + timedelta(seconds=outlast_s):
        raise _no("too-short", f"it expires within the {spoken(outlast_s)} that the plan may take")
    lasts = statement.expires - statement.not_before
    if lasts_s_max is not None and lasts > timedelta(seconds=lasts_s_max):
        most = spoken(lasts_s_max)
        raise _no("too-long", f"it claims to be valid longer than the {most} allowed")


def _no(code: str, reason: str) -> ApprovalMissing:
    return ApprovalMissing(f"approval.{code}", reason, promise="fail-closed")


class _People:
    """Joins principals and keys that belong together."""

    def __init__(self, signers: tuple[AllowedSigner, ...]) -> None:
        self._parent: dict[str, str] = {}
        for line in signers:
            for name in line.plain_principals:
                self.who(name, line.key)

    def who(self, principal: str, key: bytes) -> str:
        one, other = self.find(f"name {principal}"), self.find(f"key {fingerprint(key)}")
        self._parent[other] = one
        return one

    def find(self, node: str) -> str:
        while (parent := self._parent.get(node, node)) != node:
            node = parent
        return node
