"""Leases in a bucket, by conditional writes: shared between machines.

The object of a scope is created once with ``If-None-Match: *`` and from then on only replaced with
``If-Match``, so that of two takers one is told 412. Wall clocks of machines are not compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.errors import ConnectorError
from rollback.running.lease.document import LeaseDocument, file_name, read_document
from rollback.running.lease.scoped import Changed, ScopedLease

if TYPE_CHECKING:
    from rollback.model.effect import HttpWrite
    from rollback.model.ports import Clock, Randomness, S3Port

_LOST = 412
_AT_THE_SAME_TIME = 409


class S3Place:
    """One object a scope under a prefix."""

    strength = "shared"
    wall_clock = False

    def __init__(self, s3: S3Port, prefix: str, *, create: HttpWrite, replace: HttpWrite) -> None:
        """create, replace: the plan's permissions; bounded bodies under `prefix`, for leases."""
        self._s3 = s3
        self._prefix = prefix
        self._create = create
        self._replace = replace

    def read(self, scope: str) -> tuple[LeaseDocument, str] | None:
        """(document, etag)."""
        found = self._s3.get(self._prefix + file_name(scope))
        return None if found is None else (read_document(found[0], scope), found[1])

    def write(self, document: LeaseDocument, version: str | None) -> str:
        """Write over exactly the object that has this etag."""
        key = self._prefix + file_name(document.scope)
        data = document.to_bytes()
        try:
            if version is None:
                return self._s3.create(self._create, key, data)
            return self._s3.replace(self._replace, key, data, version)
        except ConnectorError as error:
            if error.status in (_LOST, _AT_THE_SAME_TIME):
                raise Changed from error
            raise


def s3_lease(
    s3: S3Port,
    prefix: str,
    clock: Clock,
    randomness: Randomness,
    *,
    ttl_s: int,
    create: HttpWrite,
    replace: HttpWrite,
) -> ScopedLease:
    """`Lease` in a bucket. See `S3Place` for the permissions."""
    place = S3Place(s3, prefix, create=create, replace=replace)
    return ScopedLease(place, clock, randomness, ttl_s=ttl_s)
