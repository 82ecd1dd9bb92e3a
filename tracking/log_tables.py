"""The two tables that the service owns, in MySQL's and in SQLite's words: `activity_log` and `feed_log`.

`id` grows in the order of commits (see `mysql_sink`), so it is the watermark of learning. Times are UTC. In
SQLite checks stand where MySQL's types refuse a value by themselves, so that both refuse the same rows.
"""

from dataclasses import dataclass

SCHEMA_OPTIONS = "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"


@dataclass(frozen=True, slots=True)
class LogColumn:
    """A column: its MySQL type, its SQLite type, and a check for SQLite (`{0}` is the column)."""

    name: str
    mysql: str
    sqlite: str
    check: str = ""
    needed: bool = False


def key_text(name: str, longest: int, *, needed: bool = False) -> LogColumn:
    """An identifier: ASCII, compared byte by byte."""
    mysql = f"VARCHAR({longest}) CHARACTER SET ascii COLLATE ascii_bin"
    return LogColumn(name, mysql, "TEXT", f"length({{0}}) <= {longest}", needed)


def free_text(name: str, longest: int) -> LogColumn:
    """Any text up to a length in characters."""
    return LogColumn(name, f"VARCHAR({longest})", "TEXT", f"length({{0}}) <= {longest}")


def big(name: str, *, needed: bool = False) -> LogColumn:
    """A 64-bit whole number."""
    return LogColumn(name, "BIGINT", "INTEGER", "", needed)


def real(name: str) -> LogColumn:
    """A 64-bit float."""
    return LogColumn(name, "DOUBLE", "REAL")


def moment(name: str) -> LogColumn:
    """A UTC time to the millisecond."""
    return LogColumn(name, "DATETIME(3)", "TEXT", "length({0}) = 23", True)


@dataclass(frozen=True, slots=True)
class LogTable:
    """A table with an automatic `id`, a unique `key` column and plain indexes."""

    name: str
    key: str
    columns: tuple[LogColumn, ...]
    indexes: tuple[tuple[str, ...], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names, without `id`."""
        return tuple(column.name for column in self.columns)

    def create(self, *, mysql: bool) -> list[str]:
        """The statements that create it where it is absent."""
        lines = [
            "`id` BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY" if mysql else "`id` INTEGER PRIMARY KEY AUTOINCREMENT"
        ]
        lines += [_column(column, mysql=mysql) for column in self.columns]
        lines += [f"UNIQUE KEY `{self.name}_{self.key}` (`{self.key}`)" if mysql else f"UNIQUE (`{self.key}`)"]
        indexes = {f"{self.name}_{columns[0]}": ", ".join(f"`{name}`" for name in columns) for columns in self.indexes}
        if mysql:
            lines += [f"KEY `{name}` ({columns})" for name, columns in indexes.items()]
        table = f"CREATE TABLE IF NOT EXISTS `{self.name}` (\n  " + ",\n  ".join(lines) + "\n) "
        if mysql:
            return [table + SCHEMA_OPTIONS]
        more = [f"CREATE INDEX IF NOT EXISTS `{n}` ON `{self.name}` ({columns})" for n, columns in indexes.items()]
        return [table + "STRICT", *more]


def _column(column: LogColumn, *, mysql: bool) -> str:
    needed = "NOT NULL" if column.needed else "NULL"
    if mysql:
        return f"`{column.name}` {column.mysql} {needed}"
    check = f" CHECK ({column.check.format(f'`{column.name}`')})" if column.check else ""
    return f"`{column.name}` {column.sqlite} {needed}{check}"


ACTIVITY_LOG = LogTable(
    "activity_log",
    "event_id",
    (
        key_text("event_id", 64, needed=True),
        key_text("event_type", 32, needed=True),
        big("user_id", needed=True),
        moment("timestamp"),
        big("video_id"),
        big("flow_id"),
        free_text("video_url", 1024),
        LogColumn("position", "INT", "INTEGER", "{0} BETWEEN -2147483648 AND 2147483647"),
        free_text("feed_type", 16),
        free_text("session_id", 64),
        key_text("feed_id", 64),
        real("watch_seconds"),
        real("duration_seconds"),
        real("rating"),
    ),
    (("feed_id",), ("user_id", "timestamp")),
)

FEED_LOG = LogTable(
    "feed_log",
    "feed_id",
    (
        key_text("feed_id", 64, needed=True),
        big("user_id", needed=True),
        free_text("session_id", 64),
        moment("served_at"),
        key_text("snapshot_id", 64, needed=True),
        key_text("policy_version", 64, needed=True),
        big("seed", needed=True),
        LogColumn("items", "MEDIUMTEXT", "TEXT", "", True),
        LogColumn("features", "MEDIUMTEXT CHARACTER SET ascii", "TEXT", "", True),
    ),
    (("user_id", "served_at"),),
)

TABLES = (ACTIVITY_LOG, FEED_LOG)


def schema_sql() -> str:
    """What `talentfeed db init` runs on MySQL, statement by statement."""
    return "\n".join(f"{statement};" for table in TABLES for statement in table.create(mysql=True)) + "\n"
