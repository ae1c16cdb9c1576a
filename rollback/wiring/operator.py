"""The façade: plan, apply, resume, undo, status. No globals: everything is passed or made here."""

from __future__ import annotations

import getpass
import os
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from rollback.errors import ConnectorError, InputError, RollbackError
from rollback.model.environment import Environment as _Environment
from rollback.model.environment import secrets_of
from rollback.model.playbook import Playbook as _Playbook
from rollback.model.scope import Phase, Scope
from rollback.planning.plan import PlanRequest, make_plan, steps_to_observe
from rollback.running.clock import SystemClock, SystemRandomness
from rollback.running.store import StateDirectory
from rollback.wiring import packages
from rollback.wiring.observing import observe_steps
from rollback.wiring.own_stores import NO_STORES, refuse_unnamed
from rollback.wiring.plain_names import refuse_in_environment, refuse_in_playbook
from rollback.wiring.plan_document import PlanDocument
from rollback.wiring.setting import Setting, log_of, planning_opener, tool_version

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from rollback.actions.held_seen import HeldSeen
    from rollback.evidence.holds import Standing
    from rollback.model.environment import Environment
    from rollback.model.playbook import Playbook
    from rollback.model.ports import (
        Catalogue,
        Check,
        Clients,
        Clock,
        Randomness,
        SecretSource,
    )
    from rollback.running.hands import People
    from rollback.wiring.lease_release import LeaseShown
    from rollback.wiring.own_stores import Stores
    from rollback.wiring.posting import Posted
    from rollback.wiring.process_watch import ProcessWatch
    from rollback.wiring.run_result import RunResult, RunStatus

T = TypeVar("T")


class Operator:
    """Plans and applies in one environment."""

    def __init__(  # noqa: PLR0913 - named, and each has its default
        self,
        environment: Environment,
        *,
        state: str | Path | None = None,
        secrets: SecretSource | None = None,
        clock: Clock | None = None,
        randomness: Randomness | None = None,
        catalogue: Catalogue | None = None,
        user: str | None = None,
        watch: ProcessWatch | None = None,
        stores: Stores | None = None,
    ) -> None:
        """state: folder of runs (default: ROLLBACK_STATE or the user's). catalogue: actions.

        user: who plans and applies, for the record (default: the process's own). watch: the net
        over this process, for applications that want it. stores: of the application's own, where
        the environment names them. Raises InputError where it does not.
        """
        from rollback.wiring.catalogue import built_in, with_leases

        _wanted(environment, _Environment, "`Environment.load(FILE)` reads one")
        if secrets is None:
            from rollback.connectors.secrets import VariableSecrets

            secrets = VariableSecrets(dict(os.environ))
        clock = clock or SystemClock()
        located = StateDirectory.locate(state, os.environ)
        known = with_leases(catalogue or built_in(), located, clock)
        secrets.expect(secrets_of(environment))
        stores = stores or NO_STORES
        refuse_unnamed(environment, stores)
        self.setting = Setting(
            environment=environment,
            state=located,
            secrets=secrets,
            clock=clock,
            randomness=randomness or SystemRandomness(),
            catalogue=known,
            user=user or _this_user(),
            watch=watch,
            stores=stores,
        )

    @property
    def environment(self) -> Environment:
        """The environment it works in."""
        return self.setting.environment

    def plan(
        self,
        playbook: Playbook,
        *,
        incident: str | None = None,
        trigger: str | None = None,
        parameters: Mapping[str, str] | None = None,
    ) -> PlanDocument:
        """Look at the world, read-only, and make the plan. Raises InputError for wrong input.

        A refused plan is returned too; its `exit_status` says why. A secret that is not set is
        wrong input, unless there is something to halt: then what needs it is refused in the plan.
        One that could not be kept out of it is wrong input in any case: too short, or a name.
        """
        setting = self.setting
        _wanted(playbook, _Playbook, "`playbooks` has ours, `load_playbook(FILE)` reads one")
        self._refuse_missing()
        self._refuse_told()
        refuse_in_playbook(playbook, setting.secrets)
        steps, read = steps_to_observe(playbook, setting.environment, parameters or {}, trigger)
        nonce = setting.randomness.hex(16)
        evidence = str(setting.state.root / "evidence" / nonce)
        seen = observe_steps(setting, steps, f"plan-{nonce[:8]}", evidence)
        from rollback.wiring.upkeep import upkeep_effects
        from rollback.wiring.withheld import moves_toward

        request = PlanRequest(
            playbook=playbook,
            environment=setting.environment,
            catalogue=setting.catalogue,
            observed=seen.steps,
            created=setting.clock.now(),
            nonce=nonce,
            planned_by=setting.user,
            tool_version=tool_version(),
            incident=incident,
            trigger=trigger,
            parameters=read,
            upkeep=upkeep_effects(setting.environment, evidence),
            evidence_path=evidence,
        )
        made = PlanDocument.of(make_plan(request))
        if seen.missing is not None and not moves_toward(made.plan):
            raise seen.missing
        log_of(setting).event(
            "planned", playbook=playbook.playbook, verdict=made.plan.verdict, plan=made.digest
        )
        return made

    def problem_of(self, plan: PlanDocument) -> RollbackError | None:
        """Why `apply` would move nobody by this plan as it stands: edited, or for elsewhere.

        None where nothing is wrong with it. To be asked before anybody is shown it to sign it;
        approvals, age and the world are asked about when it is applied. Reads nothing.
        """
        from rollback.wiring.as_made import plan_problem, refuse_forbidden

        try:
            refuse_forbidden(self.environment, plan)
        except RollbackError as error:
            return error
        return plan_problem(self.environment, self.setting.catalogue, plan)

    def apply(
        self,
        plan: PlanDocument,
        *,
        approvals: Sequence[str | Path | bytes] = (),
        only_safe: bool = False,
        break_glass: str = "",
        attestations: Mapping[str, str] | None = None,
        people: People | None = None,
        progress: Callable[[str, str, str], None] | None = None,
        stopping: Callable[[], bool] | None = None,
    ) -> RunResult:
        """Apply a plan once, and return what became of it: look at `exit_status`.

        approvals: files of `rollback approve`, or their bytes. only_safe: only what moves toward
        safety, and captures; needs nobody. break_glass: why it goes without approvals, the first
        line of every report. attestations: what a step asks a person about, to ``NAME: WORDS``;
        people: is asked for what they lack. progress: hears kind, step and words, in whichever
        thread says so, several at once. stopping: True stops it cleanly; it is asked often.

        Raises before anything is sent: InputError for another environment's plan, PlanStale for
        one that was applied, Refused and GuardRefusal for what no rule allows; and
        EvidenceNotWritten where no run can be recorded. What else is wrong (approvals, age) is
        raised where the plan has no move toward safety; where it has one, that goes, and the exit
        status says why no more did.
        """
        from rollback.wiring.apply import apply_plan
        from rollback.wiring.asked import Asked

        _wanted(plan, PlanDocument, "`PlanDocument.load(FILE)` reads one")
        asked = Asked(
            only_safe=only_safe,
            break_glass=break_glass,
            attestations=attestations,
            people=people,
            progress=progress,
            stopping=stopping,
        )
        return apply_plan(self.setting, plan, asked, approvals)

    def resume(
        self,
        run: str,
        *,
        said: Mapping[str, str] | None = None,
        approvals: Sequence[str | Path | bytes] = (),
        attestations: Mapping[str, str] | None = None,
        people: People | None = None,
        progress: Callable[[str, str, str], None] | None = None,
        stopping: Callable[[], bool] | None = None,
    ) -> RunResult:
        """Go on with an interrupted run; the arguments are those of `apply`.

        said: a person's word of a write whose outcome is not known: effect id to ``applied`` or
        ``not-applied``.
        """
        from rollback.wiring.apply import resume_run
        from rollback.wiring.asked import Asked

        asked = Asked(
            said=said,
            attestations=attestations,
            people=people,
            progress=progress,
            stopping=stopping,
        )
        return resume_run(self.setting, run, asked, approvals)

    def take_up(self, run: str) -> str:
        """Bring a run of another machine here, from the environment's mirror; its name."""
        from rollback.wiring.mirrors import taken_up

        return taken_up(self.setting, run).run

    def status(self, run: str | None = None) -> tuple[RunStatus, ...]:
        """What runs there are, from their journals alone; starts nothing."""
        from rollback.wiring.run_result import read_status

        state = self.setting.state
        runs = state.runs() if run is None else (state.find(run),)
        return tuple(read_status(one) for one in runs)

    def undo(self, run: str, *, parameters: Mapping[str, str] | None = None) -> PlanDocument:
        """A plan that takes back what a run changed. parameters: ``way``, as for a revert.

        Raises InputError, also for a run of another environment; PersonNeeded where the outcome of
        a write is not known; JournalBroken where its records are not whole; LeaseHeld while it is
        running.
        """
        from rollback.wiring.mirrors import taken_up
        from rollback.wiring.undo import refuse_elsewhere, undo_playbook
        from rollback.wiring.whole_run import whole_records

        directory = taken_up(self.setting, run)
        before = PlanDocument.read(directory.plan())
        refuse_elsewhere(before.plan, self.environment)
        records = whole_records(directory, before)
        playbook = undo_playbook(before.plan, directory.run, records)
        made = self.plan(playbook, incident=before.plan.incident, parameters=parameters)
        return PlanDocument.of(made.plan.model_copy(update={"undo_of": directory.run}))

    def holds(self) -> tuple[Standing, ...]:
        """Every release that is or was on hold. Raises ConnectorError.

        What this machine's runs put on hold and the store does not know of is on hold, too.
        """
        from rollback.evidence.holds import read_holds

        found = self._reading("holds", lambda clients: read_holds(self.environment, clients))
        here = {(one.surface, one.build): one for one in self._holds_here(found)}
        told = {(one.surface, one.build): one for one in found} | here
        return tuple(told[key] for key in sorted(told))

    def watch_holds(self) -> HeldSeen:
        """Where releases on hold are seen now, by reading only."""
        from rollback.actions.held_seen import look_for_held

        names = self.environment.surface_names
        return self._reading(
            "watch-hold",
            lambda clients: look_for_held(self.environment, names, clients, self._holds_here),
        )

    def _holds_here(self, known: tuple[Standing, ...]) -> tuple[Standing, ...]:
        from rollback.wiring.holds_here import holds_here

        return holds_here(self.setting.state, self.environment.environment, known)

    def plan_hold_release(
        self, surface: str, build: str, *, incident: str | None = None
    ) -> PlanDocument:
        """The one-step plan that releases a hold. Raises InputError for a name that is none."""
        from rollback.wiring.one_step import hold_release_playbook

        playbook = hold_release_playbook(self.environment, surface, build)
        return self.plan(playbook, incident=incident)

    def leases(self) -> tuple[LeaseShown, ...]:
        """Each surface's lease, explained. Raises ConnectorError where they cannot be read."""
        from rollback.wiring.lease_release import all_shown, place_of

        environment, setting = self.environment, self.setting

        def read(clients: Clients) -> tuple[LeaseShown, ...]:
            place = place_of(environment, setting.state.leases_path, setting.clock, clients)
            return all_shown(environment, place, setting.clock.now())

        return self._reading("lease", read)

    def plan_lease_release(self, surface: str, *, incident: str | None = None) -> PlanDocument:
        """The plan that gives up a lease, and what its holder holds besides: a step a surface.

        Raises InputError for a name that is none.
        """
        from rollback.wiring.one_step import check_surface, lease_release_playbook

        check_surface(self.environment, surface)
        also: tuple[str, ...] = ()
        with suppress(ConnectorError):  # the step itself reads again, and says what fails
            also = next(one.also for one in self.leases() if one.surface == surface)
        return self.plan(lease_release_playbook((surface, *also)), incident=incident)

    def post(self, plan: PlanDocument, channel: str) -> Posted:
        """Post a plan to a channel of the environment, once. See `rollback.wiring.posting`."""
        from rollback.wiring.posting import post_plan

        return post_plan(self.setting, plan, channel)

    def _refuse_missing(self) -> None:
        packages.refuse_missing(packages.extras_of(self.environment), self.environment.environment)

    def _refuse_told(self) -> None:
        """Not where a plan is applied: a halt waits for no better password."""
        self.setting.secrets.refuse_short()
        refuse_in_environment(self.environment, self.setting.catalogue, self.setting.secrets)

    def _reading(self, step: str, read: Callable[[Clients], T]) -> T:
        opener = planning_opener(self.setting)
        clients = opener(Scope(run=step, step=step, phase=Phase.OBSERVE))
        try:
            return read(clients)
        finally:
            opener.close(clients)

    def doctor(self) -> tuple[Check, ...]:
        """Whether this machine is ready, by reading only."""
        from rollback.wiring import doctor

        self._refuse_missing()
        self._refuse_told()
        opener = planning_opener(self.setting)
        clients = opener(doctor.scope())
        try:
            with self.setting.watching():
                return doctor.examine(self.setting, opener, clients)
        finally:
            opener.close(clients)


def _wanted(given: object, kind: type, hint: str) -> None:
    """A file's name where its content is wanted is a slip of the night: say what reads it."""
    if not isinstance(given, kind):
        reason = f"{kind.__name__} is wanted here, not {type(given).__name__}"
        raise InputError("input.type", reason, hint=hint)


def _this_user() -> str:
    """The process's user; by number where it has no name, as in many a container."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid-{os.getuid()}"
