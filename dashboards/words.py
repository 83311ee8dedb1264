"""Numbers and dates as people say them."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID


def when(moment: datetime, now: datetime) -> str:
    """How long ago, in the words of a shelf.

    >>> from datetime import UTC
    >>> now = datetime(2026, 11, 20, 12, tzinfo=UTC)
    >>> when(now - timedelta(minutes=5), now), when(now - timedelta(days=30), now)
    ('5 minutes ago', '21 October 2026')
    """
    age = now - moment
    if age < timedelta(minutes=1):
        return "just now"
    if age < timedelta(hours=1):
        return _ago(age.seconds // 60, "minute")
    if age < timedelta(days=1):
        return _ago(age.seconds // 3600, "hour")
    if age < timedelta(days=7):
        return "yesterday" if age.days == 1 else _ago(age.days, "day")
    return f"{moment.day} {moment:%B %Y}"


def _ago(count: int, unit: str) -> str:
    return f"{_many(count, unit)} ago"


def _many(count: int, unit: str) -> str:
    return f"{count} {unit}{'' if count == 1 else 's'}"


def size(num_parameters: int) -> str:
    """A network's size as its makers write it.

    >>> size(134_515_008), size(6_050_882_784), size(0)
    ('135M', '6.1B', '')
    """
    if num_parameters >= 1_000_000_000:
        return f"{num_parameters / 1e9:.1f}B"
    return f"{num_parameters / 1e6:.0f}M" if num_parameters >= 500_000 else ""


def lyric_id_in(pathname: str | None) -> UUID | None:
    """The lyric that an address of the studio names.

    >>> lyric_id_in("/") is None
    True
    """
    head, _, tail = (pathname or "/").rpartition("/")
    if head != "/lyrics":
        return None
    try:
        return UUID(tail)
    except ValueError:
        return None


def duration(seconds: float) -> str:
    """How long something takes, as people say it.

    >>> duration(8), duration(130), duration(6_000)
    ('8 seconds', '2 minutes', '1 h 40 min')
    """
    if seconds < 60:
        return _many(max(1, round(seconds)), "second")
    minutes = round(seconds / 60)
    if minutes < 60:
        return _many(minutes, "minute")
    return f"{minutes // 60} h {minutes % 60} min"


def money(cents: int) -> str:
    """An amount as it stands on a bill.

    >>> money(5), money(1250)
    ('$0.05', '$12.50')
    """
    return f"${cents / 100:,.2f}"
