"""What is known of a table that mostly grows: the rows that were read before, to which new ones are added."""

from dataclasses import dataclass
from datetime import datetime

import pandas as pd


@dataclass(frozen=True, slots=True)
class Mark:
    """The rows up to the key `last`: how many, and the sum of their checksums (0 when it is not asked for)."""

    last: int
    rows: int
    checksum: int

    def and_then(self, more: "Mark") -> "Mark":
        """These rows and those after them."""
        return Mark(max(self.last, more.last), self.rows + more.rows, self.checksum + more.checksum)


@dataclass(frozen=True, slots=True)
class Growth:
    """The rows up to `mark`, of which the load at `as_of` (aware) read the last `fresh` anew.

    `folded` (`data.folding`) stands for those that are usable by themselves and not dated after `as_of`: it stays right
    whatever comes. `aside` are the other rows, raw: the next load judges them again. `latest` is the newest date up to
    `as_of`, as text. `shape` tells the source, its columns and their types: rows of another shape are of no use.
    """

    shape: str
    mark: Mark
    fresh: int
    as_of: datetime
    latest: str | None
    folded: pd.DataFrame
    aside: pd.DataFrame
