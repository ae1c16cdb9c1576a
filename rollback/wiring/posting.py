"""A plan posted to a channel before it is applied: a plan of one step of its own, applied at once.

There is one road for writes, so a post takes it: the step is planned, judged by the rules, recorded
in a journal under ``posts`` of the state directory, and sent through the guard. A plan is posted to
a channel once: services that can be searched are searched for its marker, the same one that a
`notify` step of the plan carries; for the others the journal remembers. What may have arrived is
not sent again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from rollback.actions.notify import BEFORE, POST, Notify
from rollback.connectors.webhook import path_of
from rollback.errors import InputError, PlanStale, RollbackError
from rollback.model.base import facts
from rollback.model.change import Update
from rollback.model.journal import MAIN
from rollback.model.playbook import Playbook, Step
from rollback.model.ports import Catalogue
from rollback.model.record import Outcome, RecordKind
from rollback.model.steps import Notify as NotifySpec
from rollback.planning.plan import PlanRequest, make_plan
from rollback.running.hands import NoLease
from rollback.running.journal import check_file
from rollback.running.loop import drive_run
from rollback.running.pool import ThreadPool
from rollback.running.store import StateDirectory
from rollback.wiring.as_made import plan_problem, refuse_forbidden
from rollback.wiring.asked import Asked
from rollback.wiring.plan_document import PlanDocument
from rollback.wiring.sitting import Sitting

if TYPE_CHECKING:
    from rollback.model.base import Facts
    from rollback.model.environment import Channel
    from rollback.model.plan import Plan
    from rollback.model.ports import Clients, Look, Performed, StepContext
    from rollback.running.store import RunDirectory
    from rollback.wiring.setting import Setting

FOLDER = "posts"
STEP = "post"
TRIES_MAX = 9
"""How often a post that surely did not arrive may be tried from one state directory."""


@dataclass(frozen=True, slots=True)
class Posted:
    """What became of a post. before: it stood there before. why: in words, no secrets."""

    channel: str
    outcome: Literal["posted", "before", "not-posted", "unknown"]
    why: str

    @property
    def stands(self) -> bool:
        """Whether the plan can be read in the channel."""
        return self.outcome in ("posted", "before")


class _Post(Notify):
    """`notify` about a plan that is not the one being applied."""

    def __init__(self, subject: Plan) -> None:
        """subject: the plan that is posted."""
        self._subject = subject

    def perform(self, step: StepContext, change: Update, clients: Clients) -> Performed:
        """Post the subject, unless it stands there. Raises ConnectorError, InputError."""
        return super().perform(self._of_subject(step), change, clients)

    def look(self, step: StepContext, change: Update, clients: Clients, performed: Facts) -> Look:
        """Whether the subject stands there."""
        return super().look(self._of_subject(step), change, clients, performed)

    def _of_subject(self, step: StepContext) -> StepContext:
        return replace(step, plan=self._subject, created=self._subject.created)


def post_plan(setting: Setting, document: PlanDocument, name: str) -> Posted:
    """Post a plan to the environment's channel of that name, once.

    A post that fails is no error: the result says so. Raises InputError where the environment has
    no such channel, the incident names no issue there, or the plan is another environment's;
    Refused, PlanStale where the plan is not what was made with this environment; GuardRefusal
    where the guard did not prove itself; EvidenceNotWritten where nothing can be recorded.
    """
    refuse_forbidden(setting.environment, document)
    problem = plan_problem(setting.environment, setting.catalogue, document)
    if problem is not None:
        raise problem
    channel = _channel(setting, document, name)
    posts = StateDirectory(setting.state.root / FOLDER)
    for tried in range(1, TRIES_MAX + 1):
        part = f"{name.replace('/', '.')}.{tried}"
        run = posts.applied_by(document.digest, part=part)
        if run is None:
            return _posted(setting, document, channel, posts, part)
        known = _outcome(channel, posts, run)
        if known.stands:
            return replace(known, outcome="before", why=BEFORE)
        if known.outcome == "unknown" and not channel.searchable:
            return known
    why = f"it was tried {TRIES_MAX} times from here, and never arrived"
    return Posted(name, "not-posted", why)


def _channel(setting: Setting, document: PlanDocument, name: str) -> Channel:
    channels = setting.environment.channels
    channel = next((one for one in channels if one.name == name), None)
    if channel is None:
        known = ", ".join(one.name for one in channels) or "none"
        raise InputError(
            "channel.unknown",
            f"{setting.environment.environment} has no channel {name!r}",
            hint=f"channels of the environment file: {known}",
        )
    if path_of(channel, document.plan.incident) is None:
        incident = document.plan.incident or "(none given)"
        raise InputError(
            "channel.incident",
            f"the incident {incident} names no issue of {channel.kind}",
            hint="plan with --incident: a number for github, a key like INC-1 for jira",
        )
    return channel


def _posted(
    setting: Setting, document: PlanDocument, channel: Channel, posts: StateDirectory, part: str
) -> Posted:
    setting = replace(setting, catalogue=Catalogue((_Post(document.plan),)))
    one = _one_step(setting, document.plan, channel)
    directory = posts.new_run(setting.clock, setting.randomness)
    directory.keep_plan(one.canonical)
    journal = directory.create_journal(setting.clock)
    try:
        journal.append(
            MAIN,
            RecordKind.OPENED,
            facts(
                plan=one.digest,
                posts=document.digest,
                environment=one.plan.environment,
                playbook=one.plan.playbook,
                mode="full",
                by=setting.user,
            ),
            durable=True,
        )
        try:
            posts.mark_applied(document.digest, directory.run, setting.clock, part=part)
        except PlanStale:
            return Posted(channel.name, "unknown", "another process posts it at this moment")
        sitting = Sitting.of(setting, one, journal, Asked(), directory.run)
        sitting.prove_guard()
        with setting.watching(journal), ThreadPool(1) as pool:
            drive_run(
                one.plan,
                setting.environment,
                sitting.performer(NoLease("a post changes nothing that a lease covers")),
                pool,
                journal,
                setting.clock,
                prove_authority=_nothing,
                take_lease=_nothing,
                stopping=lambda: False,
            )
    finally:
        journal.close()
    return _outcome(channel, posts, directory.run)


def _nothing() -> None:
    """A post moves nobody."""


def _one_step(setting: Setting, plan: Plan, channel: Channel) -> PlanDocument:
    playbook = Playbook(
        playbook="post-plan",
        summary=f"Post a plan of {plan.playbook} to {channel.name}, and change nothing.",
        steps=(Step(name=STEP, spec=NotifySpec(channel=channel.name, about="plan")),),
    )
    from rollback.wiring.setting import tool_version

    return PlanDocument.of(
        make_plan(
            PlanRequest(
                playbook=playbook,
                environment=setting.environment,
                catalogue=setting.catalogue,
                observed=(),
                created=setting.clock.now(),
                nonce=setting.randomness.hex(16),
                planned_by=setting.user,
                tool_version=tool_version(),
                incident=plan.incident,
                trigger=plan.trigger,
            )
        )
    )


def _outcome(channel: Channel, posts: StateDirectory, run: str) -> Posted:
    """What the journal of a post says became of it."""
    try:
        directory: RunDirectory = posts.find(run)
        check = check_file(directory.journal_path)
    except RollbackError as error:
        return Posted(channel.name, "unknown", f"the record of the post: {error.reason}")
    if not check.holds:
        why = f"the record of the post does not verify ({check.problem}); look in the channel"
        return Posted(channel.name, "unknown", why)
    records = check.records
    said = [
        record
        for record in records
        if record.kind is RecordKind.OUTCOME and record.text("change") == POST
    ]
    sent = any(record.kind is RecordKind.INTENT for record in records)
    if not said:
        why = "whether it arrived was not recorded; look in the channel"
        return Posted(channel.name, "unknown" if sent else "not-posted", why)
    why = said[-1].text("reason")
    match said[-1].text("outcome"):
        case Outcome.APPLIED.value:
            return Posted(channel.name, "before" if why == BEFORE else "posted", why)
        case Outcome.NOT_APPLIED.value:
            return Posted(channel.name, "not-posted", why)
        case _:
            return Posted(channel.name, "unknown", f"{why}; look in the channel")
