"""Files that a plan permits: created whole under one folder, read-only, never replaced."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from rollback.connectors.folders import create_whole
from rollback.errors import ConnectorError, ProductDefect
from rollback.model.scope import Shape

if TYPE_CHECKING:
    from rollback.guard.wire import Wire
    from rollback.model.effect import FileWrite

EXISTS = 412


def keep(wire: Wire, effect: FileWrite, name: str, data: bytes) -> None:
    """Create one file under the effect's folder, after its permission is spent.

    Raises GuardRefusal where the scope has no such permission, ConnectorError (status 412 where it
    exists) where it cannot be written.
    """
    if effect not in wire.scope.permissions or Path(name).name != name:
        raise ProductDefect("files.permission", f"{name} is not permitted under {effect.path}")
    if wire.ended.is_set():
        raise ProductDefect("files.scope-ended", f"the step that was permitted {name} is over")
    path = Path(effect.path) / name
    wire.ledger.spend(
        effect.id,
        Shape(
            method="CREATE",
            host="",
            path=str(path),
            body_bytes=len(data),
            body_sha256=hashlib.sha256(data).hexdigest(),
        ),
    )
    try:
        create_whole(path, data, 0o400)
    except FileExistsError as error:
        raise ConnectorError(
            "files.exists", f"{path} is there already", transient=False, status=EXISTS
        ) from error
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise ConnectorError("files.failed", f"{path}: {why}", transient=False) from error
