"""What can go wrong with a service on MySQL and Redis, one thing after the other, in an order that a seed decides."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from api.heartbeats import Heartbeats
from tests.api.server import Server
from tests.support.loads import filled
from tests.support.processes import Server as Process
from tests.support.proxy import Proxy
from tests.support.servers import Database, MariaDB, Redis
from tracking.mysql_sink import MySQLSink

Fault = Callable[[float], None]


class Cluster:
    """A service with two workers, its Redis and its MariaDB, both reached through a proxy."""

    def __init__(
        self, folder: Path, redis: Redis, mariadb: MariaDB, proxies: tuple[Proxy, Proxy], **settings: str
    ) -> None:
        self.redis, self.mariadb, self.database = redis, mariadb, mariadb.new_database()
        self.redis_proxy, self.mysql_proxy = proxies
        filled(self.database)
        self.service = Server(folder, **self._settings(self.database) | settings)

    def _settings(self, database: Database) -> dict[str, str]:
        mysql = {"MYSQL_HOST": self.mysql_proxy.host, "MYSQL_PORT": str(self.mysql_proxy.port),
                 "MYSQL_USER": database.user, "MYSQL_PASSWORD": database.password, "MYSQL_DB": database.db,
                 "MYSQL_TIMEOUT_SECONDS": "2"}  # fmt: skip
        redis = {"REDIS_HOST": self.redis_proxy.host, "REDIS_PORT": str(self.redis_proxy.port)}
        pace = {"FLUSH_COUNT": "50", "FLUSH_SECONDS": "1", "LEARN_SECONDS": "0.2", "RELOAD_EVERY": "0"}
        return {"ENVIRONMENT": "staging", "WORKERS": "2", **mysql, **redis, **pace}

    def pids(self, role: str) -> list[int]:
        """Processes of a role, as their heartbeats tell."""
        return [state["pid"] for state in Heartbeats(self.service.data_dir / "workers").alive(role)]

    def stored(self) -> list[str]:
        """Ids of the clients' events in the log."""
        rows = self.database.run("SELECT event_id FROM activity_log WHERE event_type <> 'feed_request'")
        return [str(row[0]) for row in rows]


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """A started cluster, ready to serve. Redis keeps on its disk what it acknowledges (`appendfsync always`)."""
    with ExitStack() as stack:
        redis = stack.enter_context(Redis(appendonly="yes", appendfsync="always"))
        mariadb = stack.enter_context(MariaDB())
        proxies = [stack.enter_context(Proxy(server.host, server.port)) for server in (redis, mariadb)]
        found = Cluster(folder, redis, mariadb, (proxies[0], proxies[1]))
        stack.callback(found.service.kill)
        MySQLSink(found.database.connect).create_tables()
        found.service.start()
        found.service.wait_until()
        yield found


class Nemesis:
    """Does one bad thing at a time and makes up for it. `history` says what was done, for a failing test to print."""

    def __init__(self, target: Cluster, seed: int) -> None:
        self._target, self._random, self.history = target, random.Random(seed), list[str]()

    def run(self, seconds: float, calm: float = 0.6) -> None:
        """Go through all faults in random order, over and over, for so long."""
        begin, todo = time.monotonic(), list[str]()
        faults = self._faults()
        while (now := time.monotonic() - begin) < seconds:
            if not todo:
                todo = self._random.sample(sorted(faults), len(faults))
            name, length = todo.pop(), self._random.uniform(0.5, 2.5)
            self.history.append(f"{now:.1f} s {name} for {length:.1f} s")
            faults[name](length)
            time.sleep(self._random.uniform(0.2, 2 * calm))

    def _faults(self) -> dict[str, Fault]:
        target = self._target
        found: dict[str, Fault] = {
            "a worker is killed": lambda _: self._signal("serve", signal.SIGKILL),
            "the work process is killed": lambda _: self._signal("work", signal.SIGKILL),
            "a worker is frozen": lambda seconds: self._freeze("serve", seconds),
            "the work process is frozen": lambda seconds: self._freeze("work", seconds),
        }
        servers: dict[str, tuple[Process, Proxy]] = {
            "redis": (target.redis, target.redis_proxy),
            "mariadb": (target.mariadb, target.mysql_proxy),
        }
        for name, (server, proxy) in servers.items():
            found |= {
                f"{name} is killed": lambda seconds, server=server: _kill(server, seconds),
                f"{name} is frozen": lambda seconds, server=server: _freeze(server, seconds),
                f"{name}'s connections break": lambda _, proxy=proxy: proxy.cut(),
                f"{name} is slow": lambda seconds, proxy=proxy: _slow(proxy, seconds, self._random.uniform(0.01, 0.2)),
                f"{name} is out of reach": lambda seconds, proxy=proxy: _refuse(proxy, seconds),
                f"{name}'s network stalls": lambda seconds, proxy=proxy: _stall(proxy, seconds),
            }
        return found

    def _one(self, role: str) -> int | None:
        pids = self._target.pids(role)
        return self._random.choice(pids) if pids else None

    def _signal(self, role: str, number: int) -> None:
        pid = self._one(role)
        if pid:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _freeze(self, role: str, seconds: float) -> None:
        pid = self._one(role)
        if pid:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
                time.sleep(seconds)
                os.kill(pid, signal.SIGCONT)


def _kill(server: Process, seconds: float) -> None:
    server.kill()
    time.sleep(seconds)
    server.restart()


def _freeze(server: Process, seconds: float) -> None:
    server.freeze()
    time.sleep(seconds)
    server.thaw()


def _slow(proxy: Proxy, seconds: float, delay: float) -> None:
    proxy.delay = delay
    time.sleep(seconds)
    proxy.heal()


def _refuse(proxy: Proxy, seconds: float) -> None:
    proxy.refusing = True
    proxy.cut()
    time.sleep(seconds)
    proxy.heal()


def _stall(proxy: Proxy, seconds: float) -> None:
    proxy.stalled = True
    time.sleep(seconds)
    proxy.heal()
