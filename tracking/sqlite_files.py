"""SQLite files that several processes open at once."""

import sqlite3

import stamina


def write_ahead(connection: sqlite3.Connection, seconds: float) -> None:
    """Keep the file with a write-ahead log, waiting so long for others who turn it on at the same moment.

    SQLite's own wait for a lock does not hold here: of several connections to a new file all but one fail at once.
    Raises sqlite3.OperationalError when the file stays locked.
    """
    attempts = stamina.retry_context(
        on=_is_locked, attempts=None, timeout=seconds, wait_initial=0.005, wait_max=0.1, wait_jitter=0.01
    )
    for attempt in attempts:
        with attempt:
            connection.execute("PRAGMA journal_mode = WAL")


def _is_locked(error: Exception) -> bool:
    return isinstance(error, sqlite3.OperationalError) and "locked" in str(error)
