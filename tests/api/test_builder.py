"""A build keeps what the next one adds new rows to."""

import os
import subprocess
import sys
from pathlib import Path

from api.reloads import Reloads
from tests.api.server import environment
from tests.support.loads import filled
from tests.support.servers import Database


def test_the_second_build_reads_only_new_rows(database: Database, tmp_path: Path) -> None:
    config = filled(database)
    database.run("ALTER TABLE interactions ADD COLUMN `key` BIGINT AUTO_INCREMENT PRIMARY KEY")
    settings = environment(
        ENVIRONMENT="staging", DATA_DIR=str(tmp_path), REDIS_HOST="127.0.0.1", ADMIN_TOKEN="x" * 40,
        MYSQL_HOST=config.host, MYSQL_PORT=str(config.port), MYSQL_USER=config.user, MYSQL_PASSWORD=config.password,
        MYSQL_DB=config.db,
    )  # fmt: skip
    logs = [build(settings, tmp_path) for _ in range(2)]
    assert "table interactions: 0 rows kept, 503 rows read" in logs[0]
    assert "table interactions: 503 rows kept, 0 rows read" in logs[1]


def build(settings: dict[str, str], folder: Path) -> str:
    """The log of a builder's run."""
    reloads = Reloads(folder / "reloads")
    identity = reloads.request("test")
    reloads.claim()
    words = [sys.executable, "-m", "api.builder", identity, str(os.getpid())]
    done = subprocess.run(words, env=settings, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
