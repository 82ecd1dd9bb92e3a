"""A database of the size that reloads are promised for, filled by the server itself (MariaDB's SEQUENCE engine)."""

from tests.support.servers import Database

SIZES = {"users": 20_000, "videos": 100_000, "interactions": 2_000_000, "connections": 500_000, "flows": 500}

_NAMES = "Improvisación", "Guitarra", "Salsa", "Canto", "Doblaje", "Edición", "Ballet", "Photography"
_ELT = "ELT(1 + CRC32(CONCAT(seq, '{0}')) % 8, {1})"
_NAME = f"CONCAT({_ELT.format('{0}', repr(_NAMES)[1:-1])}, ' ', CRC32(CONCAT('{{0}}', seq)) % 60)"
_AGO = "NOW() - INTERVAL CRC32(CONCAT('t', seq)) % {} MINUTE"
_SHARE = "CRC32(CONCAT('{}', seq)) / 4294967296"


def _list(mark: str, most: int) -> str:
    """A JSON array of one to `most` names."""
    names = ", '\", \"', ".join(_NAME.format(f"{mark}{number}") for number in range(most))
    return (
        f"CONCAT('[\"', SUBSTRING_INDEX(CONCAT({names}), '\", \"', 1 + CRC32(CONCAT(seq, '{mark}')) % {most}), '\"]')"
    )


TABLES = {
    "users": (
        "id BIGINT PRIMARY KEY, name VARCHAR(255), city VARCHAR(120), country VARCHAR(120), created_at DATETIME, "
        "skills TEXT, languages TEXT, tools TEXT, knowledge TEXT, hobbies TEXT, type_talentees TEXT, "
        "opencall_objective TEXT",
        f"seq, CONCAT('Persona ', seq), CONCAT('Ciudad ', seq % 300), CONCAT('País ', seq % 20), "
        f"{_AGO.format(1_000_000)}, {_list('s', 5)}, '[\"Español\"]', {_list('l', 2)}, {_list('k', 3)}, "
        f"{_list('h', 2)}, NULL, NULL",
    ),
    "videos": (
        "id BIGINT PRIMARY KEY, user_id BIGINT, video VARCHAR(1024), views BIGINT, video_skills TEXT, "
        "video_knowledges TEXT, video_tools TEXT, video_languages TEXT, role_objectives TEXT, created_at DATETIME, "
        "description TEXT, exhibited_count BIGINT",
        f"seq, 1 + CRC32(seq) % {SIZES['users']}, CONCAT('https://cdn.example/videos/', seq, '.mp4'), "
        f"CRC32(seq) % 90000, {_list('v', 5)}, {_list('w', 3)}, {_list('x', 2)}, '[\"Español\"]', NULL, "
        f"{_AGO.format(500_000)}, CONCAT('Una descripción del video número ', seq, ', canto, baile y más'), seq % 9000",
    ),
    "interactions": (
        "id BIGINT AUTO_INCREMENT PRIMARY KEY, user_id BIGINT, video_id BIGINT, rating TINYINT, created_at DATETIME, "
        "interaction_type VARCHAR(32)",
        f"seq, 1 + CRC32(seq) % {SIZES['users']}, "
        f"1 + FLOOR({SIZES['videos']} * POW({_SHARE.format('p')}, 2)), "
        f"IF(seq % 5 = 0, 1 + CRC32(CONCAT('r', seq)) % 5, NULL), {_AGO.format(500_000)}, "
        "ELT(1 + seq % 5, 'rating', 'view', 'view', 'like', 'share')",
    ),
    "connections": (
        "id BIGINT AUTO_INCREMENT PRIMARY KEY, user_id BIGINT, connected_user_id BIGINT, status VARCHAR(32), "
        "created_at DATETIME",
        f"seq, 1 + CRC32(seq) % {SIZES['users']}, 1 + CRC32(CONCAT('c', seq)) % {SIZES['users']}, "
        f"IF(seq % 10 = 0, 'pending', 'accepted'), {_AGO.format(500_000)}",
    ),
    "flows": (
        "id BIGINT PRIMARY KEY, user_id BIGINT, video VARCHAR(1024), name VARCHAR(255), description TEXT, "
        "created_at DATETIME",
        f"seq, 1 + seq % {SIZES['users']}, CONCAT('https://cdn.example/flows/', seq, '.mp4'), CONCAT('Reto ', seq), "
        f"'Canta y baila', {_AGO.format(100_000)}",
    ),
}  # fmt: skip


def fill(database: Database, share: float = 1.0) -> None:
    """Make the five tables with `share` of the promised rows."""
    for table, (columns, values) in TABLES.items():
        rows = max(int(SIZES[table] * share), 1)
        database.run(f"CREATE TABLE {table} ({columns}) ENGINE=InnoDB DEFAULT CHARSET utf8mb4")
        database.run(f"INSERT INTO {table} SELECT {values} FROM seq_1_to_{rows}")
