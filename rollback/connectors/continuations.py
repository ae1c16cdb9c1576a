"""What a place of the SDK tells of itself. Pure.

After a partition was split, the SDK's place lists the ranges that are still to be read, each with
the service's own continuation or none. A range that was not begun is asked for without one; in all
other cases an answer to a request without one would be a silent beginning. (azure-cosmos 4.17,
``_routing/feed_range_continuation.py``; a form that is not known here counts as begun.)
"""

from __future__ import annotations

import base64
import json


def at_a_beginning(place: str) -> bool:
    """Whether what comes next at this place is the beginning of a range."""
    try:
        told = json.loads(base64.b64decode(place, validate=True))
    except (ValueError, RecursionError):
        return False
    ranges = told.get("c") if isinstance(told, dict) and told.get("v") == 1 else None
    first = ranges[0] if isinstance(ranges, list) and ranges else None
    return isinstance(first, dict) and first.get("bc", "") is None
