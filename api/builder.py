"""`python -m api.builder <reload id> <parent>`: one build in its own process; no worker shares its memory or GIL.

Load, clean, build, publish, keep what the next load may start from, prune; every step and the result are written into
the reload's record. Exit code 1 and the record's `error` say what went wrong; a failed build leaves the served snapshot
as it is. When its parent dies it ends too, because the request is told as failed then.
"""

import argparse
import contextlib
import logging
import os
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from api import services
from api.children import end_with
from api.files import locked
from api.reloads import GivenUpError, Reloads, told
from api.settings import ServiceSettings
from data.checks import clean
from data.compare import Limits, compare
from data.snapshot import Arrays, SnapshotError, SnapshotStore
from data.sources.base import LoadError
from engine.build import build

logger = logging.getLogger("api.builder")
NICENESS = 10


class Build:
    """One build and its stopwatch."""

    def __init__(self, settings: ServiceSettings, reload_id: str) -> None:
        self._settings, self._id = settings, reload_id
        self._reloads = Reloads(settings.data_dir / "reloads")
        self._seconds: dict[str, float] = {}

    def run(self) -> None:
        """Build and publish; the record says how it went. Raises LoadError, SnapshotError, GivenUpError or OSError."""
        store = services.snapshots(self._settings)
        with (
            locked(self._settings.data_dir / "build.lock"),
            services.source(self._settings) as source,
        ):
            self._reloads.advance(self._id, "loading")
            with self._timed("load"):
                raw = source.load()
            self._reloads.advance(self._id, "building")
            with self._timed("clean"):
                before = self._details_before(store, raw.source)
                tables = clean(raw, before.get("quarantine"))
                del raw
                profile = compare(tables, before.get("profile"), self._limits())
            with self._timed("compute"):
                arrays, details = build(tables, self._settings.engine)
            self._publish(store, arrays, {**details, "profile": profile})
            if kept := services.kept_rows(self._settings):
                kept.keep(tables)
        self._tidy(store)

    def fail(self, reason: str) -> None:
        """Write down why nothing was published."""
        logger.error("reload %s failed: %s", self._id, reason)
        try:
            self._reloads.settle(self._id, services.snapshots(self._settings), state="failed", error=reason)
        except OSError as error:
            logger.error("DATA_DIR: the record of reload %s cannot be written: %s", self._id, error)

    def _publish(self, store: SnapshotStore, arrays: Arrays, details: Mapping[str, Any]) -> None:
        """Move the pointer and say so. The snapshot names its reload, in case nobody is left to say so."""
        with self._reloads.publishing(self._id):
            with self._timed("write"):
                identity = store.publish(arrays, {**details, "reload_id": self._id})
            self._report(identity, details)

    def _tidy(self, store: SnapshotStore) -> None:
        """Remove what is too old. The new data are in use by now, whatever comes of this."""
        try:
            store.prune(self._settings.keep_snapshots)
            self._reloads.prune()
        except OSError as error:
            logger.error("old snapshots stay: %s", error)

    def _details_before(self, store: SnapshotStore, source: str) -> Mapping[str, Any]:
        """What is known of the served snapshot's tables; nothing when there is none, or it is another database's."""
        details = store.current_details()
        return details if details.get("source") == source else {}

    def _limits(self) -> Limits:
        return Limits(**{field.name: getattr(self._settings, f"max_{field.name}") for field in fields(Limits)})

    def _report(self, identity: str, details: Mapping[str, Any]) -> None:
        record = {"state": "published", "snapshot_id": identity, "seconds": self._seconds, **told(details)}
        self._reloads.update(self._id, **record)
        logger.info("snapshot %s published; seconds: %s", identity, self._seconds)

    @contextlib.contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        begin = time.perf_counter()
        yield
        self._seconds[step] = round(time.perf_counter() - begin, 3)


def main() -> int:
    """Run one build; the exit code."""
    arguments = argparse.ArgumentParser(prog="api.builder")
    arguments.add_argument("reload_id")
    arguments.add_argument("parent", type=int, help="pid of the process that asks for the build")
    given = arguments.parse_args()
    end_with(given.parent)
    settings = services.begin()
    os.nice(NICENESS)
    job = Build(settings, given.reload_id)
    try:
        job.run()
    except GivenUpError as error:
        logger.error("nothing is published: %s", error)
        return 1
    except (LoadError, SnapshotError, OSError, ValueError) as error:
        job.fail(str(error))
        return 1
    except Exception as error:
        logger.exception("reload %s met a mistake of the service", given.reload_id)
        job.fail(f"a mistake of the service: {type(error).__name__}; the log has its trace")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
