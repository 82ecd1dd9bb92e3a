"""The embedded catalogue as an engine, through the same path as in production: load, check, build, publish, open."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from data.checks import clean
from data.snapshot import SnapshotStore
from data.sources.base import Source
from data.sources.embedded import EmbeddedSource
from engine.bandit.policy import Policy
from engine.build.build import build
from engine.config import EngineConfig
from engine.engine import Engine
from engine.world import World

TODAY = datetime(2026, 6, 1, tzinfo=UTC)


def engine_of(source: Source, folder: Path) -> Engine:
    """An untrained engine over what the source holds."""
    config = EngineConfig()
    store = SnapshotStore(folder)
    store.publish(*build(clean(source.load()), config))
    return Engine(World.of(store.open_current()), Policy.untrained((1.0,)), config)


@pytest.fixture(scope="session")
def embedded_engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """An untrained engine over the embedded catalogue."""
    folder = tmp_path_factory.mktemp(f"catalogue-{os.getpid()}")
    return engine_of(EmbeddedSource(folder / "catalogue.sqlite", clock=lambda: TODAY), folder / "snapshots")
