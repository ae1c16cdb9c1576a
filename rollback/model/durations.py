"""Durations as people read them: the one place that turns seconds into words."""

_MINUTE_S = 60
_HOUR_S = 3_600
_DAY_S = 86_400
_DAYS_FROM_S = 2 * _DAY_S


def spoken(seconds: int) -> str:
    """A duration: ``45 s``, ``15 min``, ``1 h 30 min``, ``24 h``, ``2 d``. Never rounded.

    Days are counted from two on: people say "the last 24 hours".
    """
    parts = []
    for size, unit in ((_DAY_S, "d"), (_HOUR_S, "h"), (_MINUTE_S, "min"), (1, "s")):
        if unit == "d" and seconds < _DAYS_FROM_S:
            continue
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts) or "0 s"
