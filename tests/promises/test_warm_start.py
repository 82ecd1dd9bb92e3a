"""Starting when nothing else runs: the last good snapshot is served at once and says its age; without one it waits."""

import socket
import time
from pathlib import Path

import pytest

from data.snapshot import SnapshotStore
from tests.api.server import PATIENCE, Server, command


@pytest.fixture(scope="module")
def snapshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DATA_DIR with one snapshot."""
    folder = tmp_path_factory.mktemp("built")
    done = command("reload", DATA_DIR=str(folder / "var"), LOG_DIR=str(folder), CREDENTIALS_DIR=str(folder))
    assert done.returncode == 0, done.stderr
    return folder / "var" / "snapshots"


@pytest.fixture
def nowhere(tmp_path: Path) -> dict[str, str]:
    """Staging's settings, with nobody at any of their addresses."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
    key, hosts = tmp_path / "key", tmp_path / "known_hosts"
    key.touch(mode=0o600)
    hosts.write_text(
        f"[127.0.0.1]:{port} ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8VUfjJ0ye1ShWRNIJpk1ABWBhq5nGm8RLVJj1vKT3p\n"
    )
    addresses = {f"{name}_{part}": value for name in ("MYSQL", "REDIS", "SSH")
                 for part, value in (("HOST", "127.0.0.1"), ("PORT", port))}  # fmt: skip
    users = {"MYSQL_USER": "feed", "MYSQL_DB": "app", "SSH_USER": "feed"}
    files = {"SSH_KEY_PATH": str(key), "SSH_KNOWN_HOSTS": str(hosts)}
    return {"ENVIRONMENT": "staging", **addresses, **users, **files}


def test_with_mysql_tunnel_and_redis_away_the_last_good_snapshot_is_served_with_its_age(
    tmp_path: Path, snapshots: Path, nowhere: dict[str, str]
) -> None:
    server = Server(tmp_path / "service", **nowhere)
    server.data_dir.mkdir(parents=True)
    (server.data_dir / "snapshots").symlink_to(snapshots)
    try:
        server.start().wait_until()
        feed = server.feed(user_id=1)
        assert len(feed["items"]) == 24
        assert feed["snapshot_id"] == SnapshotStore(snapshots).current_id()
        health = server.http.get("/health").json()
        assert health["status"] == "degraded"
        assert health["snapshot"]["age_seconds"] > 0
        assert "talentfeed_snapshot_age_seconds" in server.http.get("/metrics").text
        assert (
            server.http.post("/v1/video-views", json={"event_type": "video_view", "user_id": 1, "video_id": 2}).json()[
                "durability"
            ]
            == "local"
        )
    finally:
        server.kill()


def test_without_a_snapshot_it_is_alive_says_503_and_keeps_trying(tmp_path: Path, nowhere: dict[str, str]) -> None:
    server = Server(tmp_path / "service", **nowhere).start()
    try:
        assert server.wait_until("/livez").json() == {"status": "alive"}
        for answer in (server.http.get("/readyz"), server.http.get("/v1/feed?user_id=1")):
            assert answer.status_code == 503
            assert answer.headers["content-type"] == "application/problem+json"
            assert (answer.json()["code"], int(answer.headers["retry-after"]) >= 1) == ("no_snapshot", True)
        limit = time.monotonic() + PATIENCE
        while len(list((server.data_dir / "reloads").glob("*.json"))) < 2:
            assert time.monotonic() < limit
            time.sleep(0.1)
        assert server.http.get("/livez").status_code == 200
        assert "SSH" in " ".join(server.http.get("/health").json()["problems"])
    finally:
        server.kill()
