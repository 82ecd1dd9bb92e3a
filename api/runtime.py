"""What one serve worker holds: the engine in use, replaced as one reference when a pointer moves.

A request takes `runtime.engine` once, so it never sees two worlds. The two pointers (`snapshots/CURRENT`,
`policies/CURRENT`) are polled; the new engine is built in a thread, beside the event loop.
"""

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

from api import heap, metrics, services
from api.files import in_turn
from api.heartbeats import Heartbeats
from api.reloads import Reloads
from api.score_tables import ScoreTables
from api.settings import ServiceSettings
from data.snapshot import SnapshotError, SnapshotStore
from engine.bandit.policy import Policy
from engine.engine import Engine
from engine.feed_types import FeedRequest
from engine.world import World
from tracking.policies import PolicyStore

logger = logging.getLogger(__name__)
POLL_SECONDS, BEAT_SECONDS = 0.25, 1.0
TURN_SECONDS = 1.0  # of the two within which all have to switch
RETRY_SECONDS = 30.0
HISTORY = 8


class Runtime:
    """The engine in use and what it was made of. `engine` is None until there is a first snapshot."""

    def __init__(self, settings: ServiceSettings, snapshots: SnapshotStore, policies: PolicyStore) -> None:
        self.settings, self.snapshots, self.policies = settings, snapshots, policies
        self.heartbeats = Heartbeats(settings.data_dir / "workers")
        self.reloads = Reloads(settings.data_dir / "reloads")
        self.tables = ScoreTables(settings.data_dir / "tables", policies, settings.engine)
        self.engine: Engine | None = None
        self.draining = self.warming = False
        self.generation, self.switched_at = 0, 0.0
        self.history: list[str] = []
        self.problem = self._files_problem = self._gone = ""
        self.as_of: datetime | None = None
        self._pointers: tuple[str | None, str | None] = (None, None)
        self._refused: tuple[str | None, str | None] | None = None
        self._retry_at, self._last_beat, self._wants_another = 0.0, 0.0, False
        self._world: World | None = None
        self._started = time.time()
        self._parent, self._inode = os.getppid(), _inode(settings.data_dir)
        self._behind = ThreadPoolExecutor(1, thread_name_prefix="swap")
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take what is there now, also when the disk takes nothing; then follow the pointers until `stop`."""
        await self._look()
        self._task = asyncio.create_task(self._watch(), name="runtime")
        self._drain_on_sigterm()

    async def stop(self) -> None:
        """Stop following; this worker is no longer listed."""
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        metrics.tally.pass_on()  # a worker of gunicorn ends by its signal, without what Python does at an exit
        self.heartbeats.remove()

    @property
    def ready(self) -> bool:
        """Should requests be sent here?"""
        return self.engine is not None and not self.draining and not self.warming

    @property
    def snapshot_id(self) -> str | None:
        """The id of the snapshot in use."""
        return self._world.snapshot_id if self._world else None

    @property
    def policy_version(self) -> str | None:
        """The version of the policy in use."""
        return self.engine.policy.version if self.engine else None

    @property
    def details(self) -> Mapping[str, Any]:
        """What the snapshot in use says of itself."""
        return self._world.details if self._world else {}

    def snapshot_age(self) -> float | None:
        """Seconds since the served data were read."""
        return (datetime.now(UTC) - self.as_of).total_seconds() if self.as_of else None

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            if not await self._look():
                await asyncio.sleep(BEAT_SECONDS)

    async def _look(self) -> bool:
        """Follow the pointers, and once a second say how it is; whether that went well."""
        self._end_without_parent()
        try:
            await self._follow_pointers()
            due = time.monotonic() - self._last_beat >= BEAT_SECONDS
            if due:
                self._beat()
            self._ask_for_another()
            if due:
                self._files_problem = ""
        except OSError as error:
            if not self._files_problem:  # once, not every second while it lasts
                logger.error("DATA_DIR: the worker cannot use its files: %s", error)
            self._files_problem = f"DATA_DIR: {error}"
            return False
        except Exception:
            logger.exception("the worker could not look for a new snapshot or policy")
            return False
        return True

    async def _follow_pointers(self) -> None:
        pointers = (self.snapshots.current_id(), self.policies.current_version())
        self._gone = self._what_is_gone(pointers[0])
        again = pointers == self._refused
        early = again and time.monotonic() < self._retry_at
        if pointers != self._pointers and pointers[0] is not None and not early:
            try:
                await asyncio.get_running_loop().run_in_executor(self._behind, self._swap_in_turn, pointers)
            except Exception as error:
                self._refuse(pointers, f"snapshot {pointers[0]} cannot be used: {error}", again)
                if not again:
                    logger.error("%s", self.problem, exc_info=not isinstance(error, SnapshotError))
            self._beat()

    def _what_is_gone(self, current: str | None) -> str:
        """What an operator should know of a DATA_DIR that was removed under this process: feeds go on."""
        if self.engine and current is None:
            return "DATA_DIR holds no snapshot any more"
        if self._inode is None or _inode(self.settings.data_dir) == self._inode:
            return ""
        return "DATA_DIR was replaced while this worker ran: some of its files are lost until SIGUSR2 replaces it"

    def _refuse(self, pointers: tuple[str | None, str | None], problem: str, again: bool) -> None:
        """Say what is wrong, look again later (a disk has bad moments), and ask once for a better snapshot."""
        self._refused, self.problem, self._retry_at = pointers, problem, time.monotonic() + RETRY_SECONDS
        self._wants_another = self._wants_another or not again

    def _ask_for_another(self) -> None:
        if self._wants_another:
            self.reloads.request("the current snapshot cannot be used")
            self._wants_another = False

    def _swap_in_turn(self, pointers: tuple[str | None, str | None]) -> None:
        """All workers of a machine see a pointer move at once; one after another, their requests hardly feel it."""
        patience = TURN_SECONDS if self.engine else 0.0  # before its first engine it has no requests
        with in_turn(self.heartbeats.turn, patience):
            self._swap(pointers)

    def _swap(self, pointers: tuple[str | None, str | None]) -> None:
        """Build the engine of these pointers and put it in use with one assignment."""
        begin = time.perf_counter()
        world = self._world
        if world is None or pointers[0] != world.snapshot_id:
            opened = services.open_world(self.snapshots)
            if world is None or opened.snapshot_id != world.snapshot_id:
                world = opened
            elif pointers[1] == self._pointers[1]:
                self._refuse(pointers, _stale(pointers[0], world.snapshot_id), pointers == self._refused)
                return
        taken = self.tables.take(world, pointers[1])
        engine = Engine(world, Policy(taken.version, {}, ()), self.settings.engine, tables=taken.tables)
        engine.render(engine.feed(FeedRequest(user_id=0, seed=0)))  # nobody should be the first; a mistake shows here
        self.as_of = datetime.fromisoformat(str(world.details["as_of"]))
        known, self._world = self._world, world
        self.engine, self._pointers = engine, (world.snapshot_id, pointers[1])
        self._refused, self.problem = None, ""
        if world.snapshot_id != pointers[0]:
            self._refuse(pointers, _stale(pointers[0], world.snapshot_id), again=world is known)
        self.generation, self.switched_at = self.generation + 1, time.time()
        self.history = [world.snapshot_id, *(i for i in self.history if i != world.snapshot_id)][:HISTORY]
        metrics.swaps.inc()
        heap.give_back()
        seconds = time.perf_counter() - begin
        logger.info("in use: snapshot=%s policy=%s in %.2f s", world.snapshot_id, engine.policy.version, seconds)

    def _beat(self) -> None:
        self._last_beat = time.monotonic()
        age = self.snapshot_age()
        if age is not None:
            metrics.snapshot_age.set(age)
        self.heartbeats.beat(
            "serve", parent=self._parent, started_at=self._started, snapshot_id=self.snapshot_id,
            policy_version=self.policy_version, generation=self.generation, switched_at=self.switched_at,
            history=self.history, ready=self.ready, draining=self.draining,
            problem="; ".join(filter(None, (self.problem, self._gone, self._files_problem, self.tables.problem))),
        )  # fmt: skip

    def _end_without_parent(self) -> None:
        if os.getppid() != self._parent:
            logger.error("the supervisor is gone; this worker ends")
            self._parent = os.getppid()
            os.kill(os.getpid(), signal.SIGTERM)

    def _drain_on_sigterm(self) -> None:
        """On SIGTERM answer /readyz with 503 for a while, so that balancers look away, and only then let go."""
        server_stop, loop = signal.getsignal(signal.SIGTERM), asyncio.get_running_loop()

        def drain(number: int, frame: FrameType | None) -> None:
            if not callable(server_stop) or self.draining:
                return
            self.draining = True
            loop.call_soon_threadsafe(loop.call_later, self.settings.drain_seconds, server_stop, number, None)

        if callable(server_stop):
            signal.signal(signal.SIGTERM, drain)


def _inode(folder: Path) -> int | None:
    return folder.stat().st_ino if folder.exists() else None


def _stale(current: str | None, served: str) -> str:
    return f"snapshot {current} is damaged: {served}, an older one, is served instead"
