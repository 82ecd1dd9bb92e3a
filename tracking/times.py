"""How times are written: UTC, to the millisecond, once for JSON and once for SQL."""

from datetime import UTC, datetime
from functools import lru_cache

import orjson


@lru_cache(maxsize=64)  # one request writes the same time thrice
def to_iso(moment: datetime) -> str:
    """An aware time as ISO-8601 UTC.

    >>> to_iso(datetime(2026, 5, 1, 12, 0, 0, 250_000, tzinfo=UTC))
    '2026-05-01T12:00:00.250Z'
    """
    exact = _utc(moment)
    # orjson is thrice as fast as isoformat, but leaves a fraction of nothing out
    return orjson.dumps(exact if exact.microsecond else exact.replace(microsecond=1))[1:24].decode() + "Z"


def of_iso(text: str) -> datetime:
    """The aware UTC time of an ISO-8601 text; one without a zone is UTC. Raises ValueError or OverflowError."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def to_sql(moment: datetime) -> str:
    """An aware time as the text of a DATETIME(3) in UTC.

    >>> to_sql(datetime(2026, 5, 1, 12, tzinfo=UTC))
    '2026-05-01 12:00:00.000'
    """
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ", timespec="milliseconds")


def of_sql(value: object) -> datetime:
    """The aware UTC time of a DATETIME(3), which MySQL gives as a datetime and SQLite as a text."""
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else of_iso(str(value))


def milliseconds(moment: datetime) -> datetime:
    """The time cut to the millisecond, as it comes back from JSON and from SQL."""
    return _utc(moment).replace(microsecond=moment.microsecond // 1000 * 1000)


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo is UTC else moment.astimezone(UTC)
