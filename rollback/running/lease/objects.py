"""Leases in a store that machines share, a bucket or a container, by conditional writes.

The object of a scope is created once with ``If-None-Match: *`` and from then on only replaced with
``If-Match``, so that of two takers one is told 412. Wall clocks of machines are not compared; the
store's own clock is, where an answer gives both its date and when the object was written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollback.errors import ConnectorError
from rollback.running.lease.document import LeaseDocument, file_name, read_document
from rollback.running.lease.scoped import Changed, Found, ScopedLease

if TYPE_CHECKING:
    from rollback.model.effect import HttpWrite
    from rollback.model.ports import Clock, ObjectPort, Randomness

_LOST = 412
_AT_THE_SAME_TIME = 409


class ObjectPlace:
    """One object a scope under a prefix."""

    strength = "shared"

    def __init__(
        self, objects: ObjectPort, prefix: str, *, create: HttpWrite, replace: HttpWrite
    ) -> None:
        """create, replace: the plan's permissions; bounded bodies under `prefix`, for leases."""
        self._objects = objects
        self._prefix = prefix
        self._create = create
        self._replace = replace

    def read(self, scope: str) -> Found | None:
        """What is written there; its version is the etag."""
        found = self._objects.stored(self._prefix + file_name(scope))
        if found is None:
            return None
        return Found(read_document(found.body, scope), found.etag, found.age_s)

    def write(self, document: LeaseDocument, version: str | None) -> str:
        """Write over exactly the object that has this etag."""
        key = self._prefix + file_name(document.scope)
        data = document.to_bytes()
        try:
            if version is None:
                return self._objects.create(self._create, key, data)
            return self._objects.replace(self._replace, key, data, version)
        except ConnectorError as error:
            if error.status in (_LOST, _AT_THE_SAME_TIME):
                raise Changed from error
            raise


def object_lease(
    objects: ObjectPort,
    prefix: str,
    clock: Clock,
    randomness: Randomness,
    *,
    ttl_s: int,
    create: HttpWrite,
    replace: HttpWrite,
) -> ScopedLease:
    """`Lease` in a shared store. See `ObjectPlace` for the permissions."""
    place = ObjectPlace(objects, prefix, create=create, replace=replace)
    return ScopedLease(place, clock, randomness, ttl_s=ttl_s)
