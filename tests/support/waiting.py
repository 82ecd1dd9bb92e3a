"""Waiting for what a service does by itself."""

import time
from collections.abc import Callable, Sized

import httpx

PATIENCE_SECONDS = 60.0


def eventually(condition: Callable[[], object]) -> None:
    """Wait until it is so; a connection that breaks meanwhile counts as not yet."""
    limit = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            if condition():
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() < limit
        time.sleep(0.05)


def one_more(things: Sized) -> None:
    """Wait until there are more than now."""
    before = len(things)
    eventually(lambda: len(things) > before)
