"""`python -m api.builder <reload id>`: one build in its own process; no worker shares its memory or GIL.

Load, clean, build, publish, prune; every step and the result are written into the reload's record. Exit code 1 and the
record's `error` say what went wrong; a failed build leaves the served snapshot as it is.
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
from api.files import locked
from api.reloads import Reloads
from api.settings import ServiceSettings, SettingsError, load
from data.checks import clean
from data.compare import Limits, compare
from data.snapshot import SnapshotError, SnapshotStore
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
        """Build and publish; the record says how it went. Raises LoadError, SnapshotError or OSError."""
        with (
            locked(self._settings.data_dir / "build.lock"),
            services.source(self._settings) as source,
        ):
            self._reloads.update(self._id, state="loading")
            with self._timed("load"):
                raw = source.load()
            self._reloads.update(self._id, state="building")
            with self._timed("clean"):
                store = services.snapshots(self._settings)
                before = self._details_before(store, raw.source)
                tables = clean(raw, before.get("quarantine"))
                del raw
                profile = compare(tables, before.get("profile"), self._limits())
            with self._timed("compute"):
                arrays, details = build(tables, self._settings.engine)
            with self._timed("write"):
                identity = store.publish(arrays, {**details, "profile": profile})
        self._report(identity, details)
        store.prune(self._settings.keep_snapshots)
        self._reloads.prune()

    def fail(self, reason: str) -> None:
        """Write down why nothing was published."""
        self._reloads.update(self._id, state="failed", error=reason)
        logger.error("reload %s failed: %s", self._id, reason)

    def _details_before(self, store: SnapshotStore, source: str) -> Mapping[str, Any]:
        """What is known of the served snapshot's tables; nothing when there is none, or it is another database's."""
        details = store.current_details()
        return details if details.get("source") == source else {}

    def _limits(self) -> Limits:
        return Limits(**{field.name: getattr(self._settings, f"max_{field.name}") for field in fields(Limits)})

    def _report(self, identity: str, details: Mapping[str, Any]) -> None:
        result = {key: details[key] for key in ("as_of", "source", "counts", "quarantine") if key in details}
        self._reloads.update(self._id, state="published", snapshot_id=identity, seconds=self._seconds, **result)
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
    given = arguments.parse_args()
    try:
        settings = load()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    services.log(settings)
    os.nice(NICENESS)
    job = Build(settings, given.reload_id)
    try:
        job.run()
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
