"""A reload as the tables grow: seconds of each step, and the builder's memory."""

import tempfile
from pathlib import Path

from benchmarks.curves.chart import Axis, Chart, Curve, Series
from benchmarks.load import Split, in_process, reload
from benchmarks.load_database import SIZES, fill
from data.sources.mysql_connection import MySQLConfig
from tests.support.loads import tunnel_config
from tests.support.servers import MariaDB, Sshd

SHARES = (0.01, 0.1, 1.0)
REFERENCES = (
    ("videos", "user_id", "users"),
    ("interactions", "user_id", "users"),
    ("interactions", "video_id", "videos"),
    ("connections", "user_id", "users"),
    ("connections", "connected_user_id", "users"),
    ("flows", "user_id", "users"),
)
"""Table, column, and the table whose rows it names."""
NO_STEPS = {"processor", "peak"}


def measured() -> list[Curve]:
    """A picture of seconds and one of megabytes, by rows of interactions."""
    splits = {SIZES["interactions"] * share: first_reload(share) for share in SHARES}
    names = [name for name in next(iter(splits.values())) if name not in NO_STEPS]
    steps = [Series.of(name, [(rows, split[name]) for rows, split in splits.items()]) for name in names]
    memory = [Series.of("peak of the builder", [(rows, split["peak"] / 1e6) for rows, split in splits.items()])]
    most = ", ".join(f"{rows:,} {table}" for table, rows in SIZES.items())
    note = f"A first reload through SSH from MariaDB on the same machine. All tables grow together, up to {most}."
    (rows, split), (more_rows, more) = list(splits.items())[-2:]
    each = (more["peak"] - split["peak"]) / (more_rows - rows)
    grows = f"{note} Each interaction more, with its share of the other tables, takes {each:,.0f} bytes."
    x = Axis("interactions")
    return [
        Chart("reloads", "A reload by the number of interactions", x, Axis("seconds"), steps, note=note),
        Chart("builder", "The builder's memory", x, Axis("megabytes"), memory, note=grows),
    ]


def first_reload(share: float) -> Split:
    """One reload of this share of the promised rows, in a process of its own."""
    with MariaDB("--innodb-buffer-pool-size=512M") as server, Sshd() as sshd, tempfile.TemporaryDirectory() as folder:
        config = filled(server, share)
        split: Split = in_process(reload, config, tunnel_config(sshd, config), Path(folder))
        return split


def filled(server: MariaDB, share: float) -> MySQLConfig:
    """A database with this share of the promised rows, which refer to each other."""
    database = server.new_database()
    fill(database, share)
    for table, column, of in REFERENCES if share < 1 else ():
        database.run(f"UPDATE {table} SET {column} = 1 + {column} % {int(SIZES[of] * share)}")
    return MySQLConfig(
        host=database.host, port=database.port, user=database.user, password=database.password, db=database.db
    )
