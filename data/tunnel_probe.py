"""The far end of a tunnel, asked again and again in its own language: a login and a ping, not only an open port.

A bare connection would not do: with MySQL it counts as an error, and after 100 of them the server blocks the host
(`max_connect_errors`).
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

Address = tuple[str, int]
Probe = Callable[[Address], None]
"""Talks to the server behind a local address, within a few seconds. Raises `TimeoutError` when it is silent, anything
else with words for people when it answers and is of no use."""

EVERY_SECONDS = 5.0
SILENCES = 2  # in a row, after which the SSH connection is made anew
LEAST_SECONDS_BETWEEN_RENEWALS = 60.0


class Prober:
    """A thread that calls `probe` every few seconds while `is_up()`, and tells the result.

    `tell(error)` is called after each probe, None for a good one. `renew()` is called when the far end has been silent
    twice, at most once a minute: an SSH connection whose channels are stuck looks like that.
    """

    def __init__(self, name: str, probe: Callable[[], None], every: float = EVERY_SECONDS) -> None:
        self._probe, self._every = probe, every
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"probe-{name}", daemon=True)
        self._silences, self._renewed = 0, float("-inf")
        self._is_up: Callable[[], bool] = lambda: False
        self._tell: Callable[[Exception | None], None] = lambda error: None
        self._renew: Callable[[], None] = lambda: None

    def start(
        self, is_up: Callable[[], bool], tell: Callable[[Exception | None], None], renew: Callable[[], None]
    ) -> None:
        """Begin."""
        self._is_up, self._tell, self._renew = is_up, tell, renew
        self._thread.start()

    def stop(self) -> None:
        """End; a probe under way may end by itself a few seconds later."""
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            if self._is_up():
                with suppress(RuntimeError):  # the tunnel's loop has just been closed
                    self._once()
            self._stopping.wait(self._every)

    def _once(self) -> None:
        try:
            self._probe()
        except Exception as error:
            self._silences = self._silences + 1 if isinstance(error, TimeoutError) else 0
            if self._is_up():
                self._tell(error)
            if self._silences >= SILENCES and monotonic() - self._renewed > LEAST_SECONDS_BETWEEN_RENEWALS:
                self._silences, self._renewed = 0, monotonic()
                self._renew()
        else:
            self._silences = 0
            self._tell(None)
