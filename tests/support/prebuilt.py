"""A DATA_DIR that a service may begin with: a first build takes seconds, and few tests are about it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.api.server import Server

Furnish = Callable[[Path], None]


@pytest.fixture(scope="session")
def furnish(tmp_path_factory: pytest.TempPathFactory) -> Furnish:
    """Puts the embedded catalogue and its snapshot into a DATA_DIR."""
    server = Server(tmp_path_factory.mktemp("prebuilt")).start()
    try:
        server.wait_until()
    finally:
        server.kill()

    def copy(data_dir: Path) -> None:
        shutil.copytree(server.data_dir / "snapshots", data_dir / "snapshots")
        shutil.copy(server.data_dir / "catalogue.sqlite", data_dir)

    return copy
