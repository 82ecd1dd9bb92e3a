"""What a worker does when a pointer moves, when the current snapshot is damaged, and when the disk takes nothing."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from api import metrics, runtime, spare
from api.keeper import Keeper
from api.operations import Operations
from api.runtime import Runtime
from api.settings import load
from data.snapshot import SnapshotStore
from engine.build.build import build
from engine.config import EngineConfig
from tests.engine.build.worlds import tables, video
from tracking.policies import PolicyStore

LIVE_SECONDS = 2.0
"""Within these a new version is live everywhere. How long the work takes depends on the machine; the waits do not."""


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


def test_what_a_worker_waits_by_design_before_a_new_version_is_in_use_is_under_two_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    store = SnapshotStore(tmp_path / "snapshots")
    store.publish(*build(tables(videos=[video(1)]), EngineConfig()))
    worker, waits = Runtime(load(), store, PolicyStore(tmp_path / "policies")), list[float]()

    async def pass_over(seconds: float) -> None:
        if worker.generation > 1:
            raise asyncio.CancelledError
        waits.append(seconds)

    @contextmanager
    def last_in_turn(path: Path, seconds: float) -> Iterator[None]:
        waits.append(seconds)
        yield

    async def follow() -> None:
        await worker._look()
        monkeypatch.setattr(asyncio, "sleep", pass_over)
        monkeypatch.setattr(runtime, "in_turn", last_in_turn)
        store.publish(*build(tables(videos=[video(1), video(2)]), EngineConfig()))
        with suppress(asyncio.CancelledError):
            await worker._watch()

    asyncio.run(follow())
    assert waits == [runtime.POLL_SECONDS, runtime.TURN_SECONDS]
    assert sum(waits) < LIVE_SECONDS


def test_what_was_flushed_is_learnt_without_a_wait_in_between(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    keeper, did = Keeper(load(), None), list[str]()

    def wait(seconds: float) -> bool:
        did.append("wait")
        return did.count("wait") > 2

    monkeypatch.setattr(keeper._stopping, "wait", wait)
    monkeypatch.setattr(keeper, "_flush", lambda force: did.append("flush") or "")
    monkeypatch.setattr(keeper, "_learn", lambda: did.append("learn") or "")
    keeper._run()
    assert did == ["learn", *["wait", "flush", "learn"] * 2, "wait", "flush", "learn"]
