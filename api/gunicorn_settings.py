"""What gunicorn needs to run the serve workers, taken from the service's own settings:

    gunicorn -c python:api.gunicorn_settings 'api.app:create()'

and beside it, once a machine, `talentfeed serve --role work`. Wrong settings end it with one line each and exit code 2.
"""

import sys
from importlib import import_module
from typing import Any

from api import metrics_folders
from api.heartbeats import Heartbeats
from api.settings import ServiceSettings, SettingsError, load, prepare_workers


def _prepared() -> ServiceSettings:
    """The settings, checked; what must be in the environment before numpy and prometheus are imported is there."""
    try:
        settings = load()
        prepare_workers(metrics_folders.of(settings.data_dir, "serve"))
        metrics_folders.begin(settings.data_dir, "serve")
        from api import preflight

        preflight.check(settings, "serve")
    except SettingsError as error:
        sys.stderr.write("".join(f"{problem.setting}: {problem.reason}\n" for problem in error.problems))
        sys.exit(2)
    return settings


def _worker_class() -> Any:
    """`uvicorn_worker.UvicornWorker` with the service's HTTP protocol."""
    options = {"http": "api.protocol:ProblemProtocol", "access_log": False, "server_header": False}
    base: Any = import_module("uvicorn_worker").UvicornWorker
    return type("Worker", (base,), {"CONFIG_KWARGS": {**base.CONFIG_KWARGS, **options}})


def child_exit(server: Any, worker: Any) -> None:
    """A worker has ended: what it counted stays counted, and it is no longer listed."""
    from api import metrics_files

    metrics_files.bury(metrics_folders.of(_settings.data_dir, "serve"), worker.pid)
    Heartbeats(_settings.data_dir / "workers").remove(worker.pid)


_settings = _prepared()
forwarded_allow_ips = _settings.forwarded_allow_ips
bind = f"{_settings.host}:{_settings.port}"
workers = _settings.workers
worker_class = _worker_class()
timeout = 30
graceful_timeout = int(_settings.drain_seconds + _settings.shutdown_seconds) + 2
keepalive = 30
