"""What a worker does when the current snapshot is damaged."""

import asyncio
import json
from pathlib import Path

import pytest

from api import metrics, runtime, spare
from api.operations import Operations
from api.runtime import Runtime
from api.settings import load
from data.snapshot import SnapshotStore
from engine.build.build import build
from engine.config import EngineConfig
from tests.engine.build.worlds import tables, video
from tracking.policies import PolicyStore


def test_a_damaged_snapshot_is_told_rebuilt_once_and_taken_when_it_is_whole_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.setattr(runtime, "RETRY_SECONDS", 0.0)
    store = SnapshotStore(tmp_path / "snapshots")
    older = store.publish(*build(tables(videos=[video(1)]), EngineConfig()))
    current = store.publish(*build(tables(videos=[video(1), video(2)]), EngineConfig()))
    damaged = tmp_path / "snapshots" / current / "video_id.npy"
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    worker = Runtime(load(), store, PolicyStore(tmp_path / "policies"))

    async def looks() -> None:
        for _ in range(3):
            await worker._look()

    asyncio.run(looks())
    assert worker.snapshot_id == older
    assert current in worker.problem
    assert worker.generation == 1
    requests = [json.loads(path.read_text()) for path in (tmp_path / "reloads").glob("*.json")]
    assert [request["state"] for request in requests] == ["requested"]
    damaged.write_bytes(whole)
    asyncio.run(looks())
    assert worker.snapshot_id == current
    assert worker.problem == ""


def test_a_worker_that_cannot_share_its_score_tables_serves_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    store = SnapshotStore(tmp_path / "snapshots")
    store.publish(*build(tables(videos=[video(1)]), EngineConfig()))
    (tmp_path / "tables").touch()
    worker = Runtime(load(), store, PolicyStore(tmp_path / "policies"))
    asyncio.run(worker._follow_pointers())
    assert worker.ready
    (state,) = worker.heartbeats.alive("serve")
    assert "score tables are not shared" in state["problem"]
    health = asyncio.run(Operations(worker).health())
    assert any("score tables are not shared" in problem for problem in health["problems"])


def test_a_worker_serves_and_is_seen_while_the_disk_takes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.setattr(runtime, "BEAT_SECONDS", 0.0)
    monkeypatch.setattr(spare, "MEMORY", tmp_path)
    store = SnapshotStore(tmp_path / "snapshots")
    store.publish(*build(tables(videos=[video(1)]), EngineConfig()))
    worker = Runtime(load(), store, PolicyStore(tmp_path / "policies"))
    refusing = tmp_path / "workers"

    async def problem() -> str:
        await worker._look()
        (state,) = worker.heartbeats.alive("serve")
        assert state["ready"]
        return str(state["problem"])

    async def start_and_go_on() -> None:
        refusing.touch()
        await worker.start()
        assert "DATA_DIR: [Errno" in await problem()
        refusing.unlink()
        await problem()
        assert await problem() == ""
        await worker.stop()

    asyncio.run(start_and_go_on())
    assert caplog.text.count("cannot use its files") == 1


def test_a_data_dir_that_was_removed_is_told_and_feeds_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "var"
    monkeypatch.setenv("DATA_DIR", str(folder))
    monkeypatch.setattr(runtime, "BEAT_SECONDS", 0.0)
    store = SnapshotStore(folder / "snapshots")
    snapshot = build(tables(videos=[video(1)]), EngineConfig())
    store.publish(*snapshot)
    worker = Runtime(load(), store, PolicyStore(folder / "policies"))

    def problem() -> str:
        asyncio.run(worker._look())
        (state,) = worker.heartbeats.alive("serve")
        return str(state["problem"])

    assert problem() == ""
    folder.rename(tmp_path / "removed")
    assert problem() == "DATA_DIR holds no snapshot any more"
    assert worker.ready
    store.publish(*snapshot)
    assert "DATA_DIR was replaced" in problem()


def test_what_a_worker_counted_last_is_told_before_it_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    worker = Runtime(load(), SnapshotStore(tmp_path / "snapshots"), PolicyStore(tmp_path / "policies"))

    def short_feeds() -> float:
        (family,) = metrics.short_feeds.collect()
        return family.samples[0].value

    async def count_and_stop() -> None:
        metrics.tally.count(metrics.short_feeds)
        await worker.stop()

    before = short_feeds()
    asyncio.run(count_and_stop())
    assert short_feeds() == before + 1
