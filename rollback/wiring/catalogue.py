"""The product's own actions. A third party passes its own beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.model.ports import Catalogue

if TYPE_CHECKING:
    from rollback.model.ports import Clock
    from rollback.running.store import StateDirectory


def built_in() -> Catalogue:
    """Every action the shipped playbooks use."""
    from rollback.actions.confirm import Confirm
    from rollback.actions.halt_rollout import HaltRolloutAction
    from rollback.actions.hold_release import HoldReleaseAction, ReleaseHoldAction
    from rollback.actions.notify import Notify
    from rollback.actions.restore_recorded import RestoreRecordedAction
    from rollback.actions.restore_traffic import RestoreTrafficAction
    from rollback.actions.retain_trade_halt import RetainTradeHalt
    from rollback.actions.revert_deployment import RevertDeploymentAction
    from rollback.actions.snapshot_audit_logs import SnapshotAuditLogs
    from rollback.actions.verify_release import VerifyRelease

    return Catalogue(
        (
            HaltRolloutAction(),
            RevertDeploymentAction(),
            RestoreTrafficAction(),
            RetainTradeHalt(),
            SnapshotAuditLogs(),
            VerifyRelease(),
            Confirm(),
            Notify(),
            HoldReleaseAction(),
            ReleaseHoldAction(),
            RestoreRecordedAction(),
        )
    )


def with_leases(catalogue: Catalogue, state: StateDirectory, clock: Clock) -> Catalogue:
    """The catalogue, and the action that gives up a lease of this state directory."""
    from rollback.wiring.lease_release import ReleaseLeaseAction

    if catalogue.find(ReleaseLeaseAction.name) is not None:
        return catalogue
    return catalogue.with_actions(ReleaseLeaseAction(state.leases_path, clock))
