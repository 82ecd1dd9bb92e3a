"""What every source of the five tables promises."""

from typing import Protocol

from data.tables import Tables


class LoadError(Exception):
    """A load that cannot be used. The message is one sentence that names the table and column, or the setting."""


class Source(Protocol):
    """Where the five tables come from."""

    def load(self) -> Tables:
        """All five tables as they were at one point in time, typed but not yet cleaned (see `data.checks.clean`).

        Raises `LoadError`; nothing is returned in part.
        """
        ...
