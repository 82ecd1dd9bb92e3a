"""What gunicorn needs to run the serve workers, taken from the service's own settings:

    gunicorn -c python:api.gunicorn_settings 'api.app:create()'

and beside it, once a machine, `talentfeed serve --role work`. Wrong settings end it with one line each and exit code 2.
"""

import sys

from api import preflight
from api.settings import SettingsError, load, share_metrics

try:
    _settings = load()
    preflight.check(_settings, "serve")
except SettingsError as error:
    sys.stderr.write("".join(f"{problem.setting}: {problem.reason}\n" for problem in error.problems))
    sys.exit(2)
share_metrics(_settings.data_dir / "metrics")

bind = f"{_settings.host}:{_settings.port}"
workers = _settings.workers
worker_class = "uvicorn_worker.UvicornWorker"
timeout = 30
graceful_timeout = int(_settings.drain_seconds + _settings.shutdown_seconds) + 2
keepalive = 30
