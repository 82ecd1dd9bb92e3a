"""What gunicorn needs to run the serve workers, taken from the service's own settings:

    gunicorn -c python:api.gunicorn_settings 'api.app:create()'

and beside it, once a machine, `talentfeed serve --role work`. Wrong settings end it with one line each and exit code 2.
"""

import sys
from importlib import import_module
from typing import Any

from api import metrics_folders, spare
from api.heartbeats import HOST, Heartbeats
from api.settings import ServiceSettings, SettingsError, load, prepare_workers


def _prepared() -> ServiceSettings:
    """The settings, checked; what must be in the environment before numpy and prometheus are imported is there."""
    try:
        settings = load()
        folder = metrics_folders.of(settings.data_dir, "serve")
        prepare_workers(folder)
        from api import preflight

        preflight.check(settings, "serve")
    except SettingsError as error:
        sys.stderr.write("".join(f"{problem.setting}: {problem.reason}\n" for problem in error.problems))
        sys.exit(2)
    metrics_folders.begin(settings.data_dir, "serve")
    prepare_workers(metrics_folders.with_room(folder))  # for this process too: with --preload it counts
    return settings


def _worker_class() -> Any:
    """`uvicorn_worker.UvicornWorker` with the service's HTTP protocol."""
    options = {"http": "api.protocol:ProblemProtocol", "access_log": False, "server_header": False}
    base: Any = import_module("uvicorn_worker").UvicornWorker
    return type("Worker", (base,), {"CONFIG_KWARGS": {**base.CONFIG_KWARGS, **options}})


def post_fork(server: Any, worker: Any) -> None:
    """A worker begins: where there is room for its metrics, on the disk or in memory, is settled first."""
    prepare_workers(metrics_folders.with_room(_folder))


def post_worker_init(worker: Any) -> None:
    """The application is there: take the room of its metrics, or end, so that another worker looks for it anew."""
    from api import metrics, metrics_files

    metrics.short_feeds.inc(0)  # with --preload a worker has no files yet
    try:
        metrics_files.reserve(_folder, worker.pid)
    except OSError as error:
        worker.log.error("no room for this worker's metrics: %s", error)
        sys.exit(1)


def child_exit(server: Any, worker: Any) -> None:
    """A worker has ended: what it counted stays counted, and it is no longer listed."""
    from api import metrics_files

    metrics_files.bury(_folder, worker.pid)
    _heartbeats.remove(worker.pid)


def on_exit(server: Any) -> None:
    """The parent ends: nothing stays in memory, unless workers of another one (after SIGUSR2) still run here."""
    if not any(state["host"] == HOST for state in _heartbeats.alive("serve")):
        spare.clear(_folder)
        spare.clear(_heartbeats.folder)


_settings = _prepared()
_folder, _heartbeats = metrics_folders.of(_settings.data_dir, "serve"), Heartbeats(_settings.data_dir / "workers")
forwarded_allow_ips = _settings.forwarded_allow_ips
bind = f"{_settings.host}:{_settings.port}"
workers = _settings.workers
worker_class = _worker_class()
timeout = 30
graceful_timeout = int(_settings.drain_seconds + _settings.shutdown_seconds) + 2
keepalive = 30
