"""The product's own actions. A third party passes its own beside them."""

from __future__ import annotations

from rollback.model.ports import Catalogue


def built_in() -> Catalogue:
    """Every action the shipped playbooks use."""
    from rollback.actions.confirm import ConfirmAction
    from rollback.actions.halt_rollout import HaltRolloutAction
    from rollback.actions.notify import NotifyAction
    from rollback.actions.restore_traffic import RestoreTrafficAction
    from rollback.actions.retain_trade_halt import RetainTradeHaltAction
    from rollback.actions.revert_deployment import RevertDeploymentAction
    from rollback.actions.snapshot_audit_logs import SnapshotAuditLogsAction
    from rollback.actions.verify_release import VerifyReleaseAction

    return Catalogue(
        (
            HaltRolloutAction(),
            RevertDeploymentAction(),
            RestoreTrafficAction(),
            RetainTradeHaltAction(),
            SnapshotAuditLogsAction(),
            VerifyReleaseAction(),
            ConfirmAction(),
            NotifyAction(),
        )
    )
