"""Serve the Last.fm data from a MariaDB behind an SSH tunnel, show a feed, reload, stop: `make demo-mysql`.

Everything runs in temporary folders on free ports of this machine and is stopped at the end. The data set lies beside
the repository, in ../shared/data, with its loader in ../shared/tools.
"""

import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

from tests.support.processes import free_port
from tests.support.servers import Database, MariaDB, Sshd

ROOT = Path(__file__).resolve().parents[1]
LOADER = ROOT.parent / "shared" / "tools" / "load_lastfm.py"
TABLES = ROOT.parent / "shared" / "data" / "lastfm"
START_SECONDS = 90.0
TOKEN = secrets.token_urlsafe(24)
LISTENER = 2

console = Console(width=150, soft_wrap=True)


def main() -> int:
    """Run the demonstration; 0 when every step worked."""
    missing = [str(path.relative_to(ROOT.parent)) for path in (LOADER, TABLES) if not path.exists()]
    if missing:
        console.print(f"the Last.fm data is not here: ../{' and ../'.join(missing)} would have to exist")
        return 1
    with MariaDB() as mariadb, Sshd() as sshd, tempfile.TemporaryDirectory(prefix="talentfeed-demo-") as folder:
        database = mariadb.database("talent")
        load(database)
        with service(database, sshd, Path(folder)) as url:
            show_feed(url)
            reload(url)
    return 0


def load(database: Database) -> None:
    """Fill the database with the five tables."""
    console.print(f"[bold]1. MariaDB on port {database.port}[/]: loading the five tables")
    where = ["--host", database.host, "--port", str(database.port), "--user", database.user]
    command = [sys.executable, str(LOADER), *where, "--password", database.password, "--db", database.db]
    subprocess.run(command, check=True)


@contextmanager
def service(database: Database, sshd: Sshd, folder: Path) -> Iterator[str]:
    """Talentfeed in front of the database, reached through the SSH server; gives its address, stops it at the end."""
    port = free_port()
    console.print(f"[bold]2. talentfeed on port {port}[/], to MariaDB through sshd on port {sshd.port}")
    settings = {
        "ENVIRONMENT": "staging",
        "PORT": str(port),
        "DATA_DIR": str(folder / "var"),
        "LOG_DIR": str(folder / "logs"),
        "ADMIN_TOKEN": TOKEN,
        "MYSQL_HOST": database.host,
        "MYSQL_PORT": str(database.port),
        "MYSQL_USER": database.user,
        "MYSQL_PASSWORD": database.password,
        "MYSQL_DB": database.db,
        "SSH_HOST": sshd.host,
        "SSH_PORT": str(sshd.port),
        "SSH_USER": sshd.user,
        "SSH_KEY_PATH": str(sshd.key_path),
        "SSH_KNOWN_HOSTS": str(sshd.known_hosts),
    }
    command = [str(Path(sys.executable).with_name("talentfeed"))]
    environment = os.environ | settings
    subprocess.run([*command, "db", "init"], env=environment, cwd=folder, check=True)
    process = subprocess.Popen([*command, "serve"], env=environment, cwd=folder, stdout=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until_ready(url, process)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def wait_until_ready(url: str, process: "subprocess.Popen[bytes]") -> None:
    """Return once the service has a snapshot."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/readyz", timeout=2).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise SystemExit("talentfeed did not become ready; its messages are above")


def show_feed(url: str) -> None:
    """Print the feed of one listener."""
    feed = httpx.get(f"{url}/v1/feed", params={"user_id": LISTENER, "seed": 1}, timeout=10).raise_for_status().json()
    console.print(f"[bold]3. the feed of listener {LISTENER}[/], snapshot {feed['snapshot_id']}")
    table = Table("#", "pool", "what", "who", "skills", "why")
    for item in feed["items"]:
        what = item["name"] if item["type"] == "flow" else item["description"]
        cells = (what, item["creator_name"], ", ".join(item["skills"][:3]), item["reason"])
        table.add_row(str(item["position"]), item["pool"], *(str(cell or "") for cell in cells))
    console.print(table)


def reload(url: str) -> None:
    """Reload the data and print what came of it."""
    started = time.monotonic()
    headers = {"X-API-Key": TOKEN}
    answer = httpx.post(f"{url}/v1/admin/reload", params={"wait": "true"}, headers=headers, timeout=300)
    console.print(f"[bold]4. reload[/] took {time.monotonic() - started:.1f} s")
    console.print_json(answer.raise_for_status().text)


if __name__ == "__main__":
    sys.exit(main())
