"""The protocols between the core and the world. Frozen early: all later work stands on them.

A port's implementation raises only errors of `rollback.errors`, chained from whatever was foreign.
"""

from rollback.model.ports.actions import (
    Action,
    ActionPlan,
    Catalogue,
    Check,
    Look,
    Performed,
    StepContext,
    Verification,
)
from rollback.model.ports.evidence import EvidenceSink, Notes
from rollback.model.ports.keeping import (
    Exchange,
    ExchangeLog,
    Journal,
    Lease,
    LeaseGrant,
    MirrorPlace,
    PermissionLedger,
    RefusalLatch,
)
from rollback.model.ports.runtime import (
    Clock,
    Pool,
    Randomness,
    SecretSource,
)
from rollback.model.ports.systems import (
    Answer,
    ArmPort,
    BlobPort,
    Clients,
    CosmosPort,
    Counted,
    Grant,
    HttpPort,
    ObjectPort,
    Page,
    Principal,
    S3Port,
    SocketHello,
    StoredObject,
)

__all__ = [
    "Action",
    "ActionPlan",
    "Answer",
    "ArmPort",
    "BlobPort",
    "Catalogue",
    "Check",
    "Clients",
    "Clock",
    "CosmosPort",
    "Counted",
    "EvidenceSink",
    "Exchange",
    "ExchangeLog",
    "Grant",
    "HttpPort",
    "Journal",
    "Lease",
    "LeaseGrant",
    "Look",
    "MirrorPlace",
    "Notes",
    "ObjectPort",
    "Page",
    "Performed",
    "PermissionLedger",
    "Pool",
    "Principal",
    "Randomness",
    "RefusalLatch",
    "S3Port",
    "SecretSource",
    "SocketHello",
    "StepContext",
    "StoredObject",
    "Verification",
]
