"""A TCP proxy that misbehaves on demand: it delays, stalls, cuts and refuses connections between two programs."""

import socket
import threading
import time
from types import TracebackType
from typing import Self

from tests.support.processes import free_port

CHUNK = 1 << 16


class Proxy:
    """Forwards 127.0.0.1:`port` to a server. Change `delay` (seconds a chunk), `refusing` and `stalled` at any time."""

    def __init__(self, host: str, target: int) -> None:
        self.host, self.port = "127.0.0.1", free_port()
        self.delay, self.refusing, self.stalled = 0.0, False, False
        self.accepted = 0
        """Connections so far."""
        self._target = (host, target)
        self._links: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server((self.host, self.port), backlog=256)
        self._open = True
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Break every connection there is now."""
        with self._lock:
            links, self._links = self._links, set()
        for link in links:
            _close(link)

    def heal(self) -> None:
        """Behave."""
        self.delay, self.refusing, self.stalled = 0.0, False, False

    def close(self) -> None:
        """Stop for good."""
        self._open = False
        _close(self._listener)
        self.cut()

    def _accept(self) -> None:
        while self._open:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._connect, args=(near,), daemon=True).start()

    def _connect(self, near: socket.socket) -> None:
        try:
            if self.refusing:
                raise ConnectionRefusedError
            far = socket.create_connection(self._target, timeout=5.0)
        except OSError:
            _close(near)
            return
        far.settimeout(None)
        for link in (near, far):
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._links |= {near, far}
        threading.Thread(target=self._pump, args=(near, far), daemon=True).start()
        self._pump(far, near)

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while chunk := source.recv(CHUNK):
                if self.delay:
                    time.sleep(self.delay)
                while self.stalled and self._open:
                    time.sleep(0.02)
                sink.sendall(chunk)
        except OSError:
            pass
        with self._lock:
            self._links -= {source, sink}
        _close(source)
        _close(sink)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _close(link: socket.socket) -> None:
    try:
        link.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    finally:
        link.close()
