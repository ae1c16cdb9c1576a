"""Scenarios in more than one act: a person's word, a second laptop, a killed process."""

from rollback.rehearsal.acts.drift import (
    backend_stays,
    drift_is_an_operators,
    drift_is_unknown,
    halt_stays,
)
from rollback.rehearsal.acts.halts import (
    halt_turned_round,
    halt_went_out,
    mirror_fails,
    nowhere_to_record,
    rule_is_kept,
)
from rollback.rehearsal.acts.machines import (
    JOURNAL_BYTES,
    apply_and_kill,
    disk_full,
    killed_and_resumed,
    resumed_from_the_mirror,
    second_laptop,
    two_together,
)
from rollback.rehearsal.acts.papers import (
    edited,
    edited_with_halt,
    expired_approval,
    other_environment,
    person_says_not_applied,
    replayed,
    swap_called_a_halt,
    unreadable_approval,
)
from rollback.rehearsal.acts.plans import (
    PINNED_S,
    exposure_is_reported,
    orders_are_listed,
    proved_while_applying,
    refused_naming_the_artifact,
    secret_planted,
)
from rollback.rehearsal.acts.undo import (
    undo_refused,
    undone,
)

__all__ = [
    "JOURNAL_BYTES",
    "PINNED_S",
    "apply_and_kill",
    "backend_stays",
    "disk_full",
    "drift_is_an_operators",
    "drift_is_unknown",
    "edited",
    "edited_with_halt",
    "expired_approval",
    "exposure_is_reported",
    "halt_stays",
    "halt_turned_round",
    "halt_went_out",
    "killed_and_resumed",
    "mirror_fails",
    "nowhere_to_record",
    "orders_are_listed",
    "other_environment",
    "person_says_not_applied",
    "proved_while_applying",
    "refused_naming_the_artifact",
    "replayed",
    "resumed_from_the_mirror",
    "rule_is_kept",
    "second_laptop",
    "secret_planted",
    "swap_called_a_halt",
    "two_together",
    "undo_refused",
    "undone",
    "unreadable_approval",
]
