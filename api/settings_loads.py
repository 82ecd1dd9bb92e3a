"""Settings of loads: what a new load may look like beside the one before, and what of it is read again."""

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings


class LoadSettings(BaseSettings):
    """What `data.compare.Limits` and the MySQL source take."""

    incremental: Literal["off", "checked", "trusted"] = Field(
        "checked",
        description="whether a reload reads only new interactions and connections: `checked` compares a checksum of "
        "the old rows first, `trusted` only their number, `off` reads all",
    )
    max_row_drop: float = Field(
        0.5, ge=0, le=1, description="a load is refused when a larger share of a table's usable rows is gone; 1: never"
    )
    max_quarantine_rise: float = Field(
        0.25,
        ge=0,
        le=1,
        description="a load is refused when the share of a table's unusable rows rose by more; 1: never",
    )
    max_empty_rise: float = Field(
        0.5, ge=0, le=1, description="a load is refused when the share of a column's empty cells rose by more; 1: never"
    )
    max_mean_change: float = Field(
        10.0,
        ge=1,
        le=1e9,
        description="a load is refused when the mean of views, ratings or exhibitions changed by a larger factor",
    )
    max_days_back: float = Field(
        7.0,
        ge=0,
        le=36500,
        description="a load is refused when the newest interaction is more days older than before",
    )
