"""The records of reloads: what one says at its end agrees with the snapshot that is served."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from api.reloads import GivenUpError, Reloads
from data.snapshot import SnapshotStore
from tests.api.conftest import MakeServer
from tests.api.server import PATIENCE, ROOT

DETAILS = {"as_of": "2026-01-01T00:00:00+00:00", "counts": {"videos": 3}}


@pytest.fixture
def reloads(tmp_path: Path) -> Reloads:
    """No reload yet."""
    return Reloads(tmp_path / "reloads")


@pytest.fixture
def snapshots(tmp_path: Path) -> SnapshotStore:
    """No snapshot yet."""
    return SnapshotStore(tmp_path / "snapshots")


def claimed(reloads: Reloads) -> str:
    """A request that a builder works on."""
    identity = reloads.request("test")
    assert reloads.claim() == identity
    reloads.advance(identity, "loading")
    return identity


def crash(reloads: Reloads, snapshots: SnapshotStore, identity: str) -> dict[str, Any]:
    """What the next work process makes of a request whose builder is gone."""
    reloads.settle_all(snapshots, "gone")
    return reloads.get(identity) or {}


def test_a_request_whose_builder_is_gone_has_failed(reloads: Reloads, snapshots: SnapshotStore) -> None:
    snapshots.publish({"a": np.zeros(3)}, {**DETAILS, "reload_id": "another"})
    waiting, identity = "", claimed(reloads)
    waiting = reloads.request("later")
    record = crash(reloads, snapshots, identity)
    assert (record["state"], record["error"]) == ("failed", "gone")
    assert (reloads.get(waiting) or {})["state"] == "requested"


def test_a_builder_that_died_before_it_could_say_so_has_published(reloads: Reloads, snapshots: SnapshotStore) -> None:
    identity = claimed(reloads)
    served = snapshots.publish({"a": np.zeros(3)}, {**DETAILS, "reload_id": identity})
    record = crash(reloads, snapshots, identity)
    assert (record["state"], record["snapshot_id"], record["counts"]) == ("published", served, {"videos": 3})
    assert "error" not in record


def test_a_builder_does_not_publish_what_was_told_as_failed(reloads: Reloads, snapshots: SnapshotStore) -> None:
    identity = claimed(reloads)
    crash(reloads, snapshots, identity)
    with pytest.raises(GivenUpError, match=identity):
        reloads.advance(identity, "building")
    with pytest.raises(GivenUpError, match=identity), reloads.publishing(identity):
        pytest.fail("it may publish")
    assert crash(reloads, snapshots, identity)["state"] == "failed"


def test_a_request_that_a_stop_cut_short_is_built_anew(reloads: Reloads, snapshots: SnapshotStore) -> None:
    identity = claimed(reloads)
    assert reloads.settle(identity, snapshots, state="requested")["state"] == "requested"
    with pytest.raises(GivenUpError), reloads.publishing(identity):
        pytest.fail("it may publish")
    assert reloads.claim() == identity


def test_a_builder_of_somebody_who_is_gone_ends_at_once(make_server: MakeServer) -> None:
    service = make_server()
    reloads, snapshots = Reloads(service.data_dir / "reloads"), SnapshotStore(service.data_dir / "snapshots")
    identity, before = reloads.request("test"), snapshots.current_id()
    reloads.claim()
    gone = subprocess.Popen(["true"])
    gone.wait()

    def build(parent: int) -> int:
        words = [sys.executable, "-m", "api.builder", identity, str(parent)]
        return subprocess.run(words, cwd=ROOT, env=service.environment, timeout=PATIENCE, check=False).returncode

    assert build(gone.pid) == 1
    assert (snapshots.current_id(), (reloads.get(identity) or {})["state"]) == (before, "starting")
    assert build(os.getpid()) == 0
    assert snapshots.current_id() == (reloads.get(identity) or {})["snapshot_id"] != before
