"""Servers for the tests of HTTP: one for the whole session, and fresh ones that begin with its snapshot."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.api.server import Server
from tests.support.prebuilt import Furnish

MakeServer = Callable[..., Server]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, furnish: Furnish) -> Iterator[Server]:
    """A running embedded service. Tests that change what it serves or stop it take `make_server`."""
    running = Server(tmp_path_factory.mktemp("service"))
    furnish(running.data_dir)
    running.start()
    try:
        running.wait_until()
        yield running
    finally:
        running.kill()


@pytest.fixture
def make_server(furnish: Furnish, tmp_path: Path) -> Iterator[MakeServer]:
    """Makes services (not started) that find a snapshot on disk, unless `bare=True`."""
    made: list[Server] = []

    def make(*, bare: bool = False, **settings: str) -> Server:
        fresh = Server(tmp_path / f"service{len(made)}", **settings)
        if not bare:
            furnish(fresh.data_dir)
        made.append(fresh)
        return fresh

    yield make
    for one in made:
        one.kill()
