"""The real tables of ../shared/data (Last.fm) in a real MariaDB; skipped with a reason where they are absent."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.servers import Database, MariaDB

SHARED = Path(__file__).resolve().parents[3] / "shared"
LOADER = SHARED / "tools" / "load_lastfm.py"


@pytest.fixture(scope="session")
def lastfm_database(mariadb: MariaDB) -> Database:
    """A database filled once for all tests of this process; read it, do not change it."""
    if not LOADER.exists():
        pytest.skip(f"{LOADER} is not there: these tests need the data set beside the repository (../shared)")
    database = mariadb.new_database()
    command = [sys.executable, str(LOADER), "--host", database.host, "--port", str(database.port)]
    command += ["--user", database.user, "--password", database.password, "--db", database.db]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return database
