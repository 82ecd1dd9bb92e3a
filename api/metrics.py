"""Prometheus metrics. docs/http.md lists every name with its meaning.

With `PROMETHEUS_MULTIPROC_DIR` set (the supervisor and the gunicorn settings do it) all workers of one machine share
their counters through that folder, and any of them answers for all and for the work process; without it each worker
answers for itself.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from api import metrics_folders
from api.tally import TalliedHistogram, Tally

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)

requests = Counter("talentfeed_http_requests", "Answered requests", ["method", "route", "status"])
request_seconds = TalliedHistogram("talentfeed_http_request_seconds", "Time of a request", ["route"], buckets=SECONDS)
feed_items = Counter("talentfeed_feed_items", "Items served, by the pool that filled the slot", ["pool"])
relaxations = Counter("talentfeed_feed_relaxations", "Rules that gave way, by rule", ["rule"])
short_feeds = Counter("talentfeed_feeds_short", "Feeds shorter than asked for")
degraded_feeds = Counter("talentfeed_feeds_degraded", "Feeds served without a part of the service", ["part"])
events = Counter("talentfeed_events", "Events, by what became of them", ["outcome"])
swaps = Counter("talentfeed_engine_swaps", "Engines put in use by workers")
own_score_tables = Counter("talentfeed_score_tables_not_shared", "Engines on score tables that no other worker can use")
builds = Counter("talentfeed_builds", "Snapshot builds, by outcome", ["outcome"])
build_seconds = Gauge("talentfeed_build_seconds", "Time of the last build", multiprocess_mode="mostrecent")
snapshot_age = Gauge("talentfeed_snapshot_age_seconds", "Age of the served data", multiprocess_mode="max")
backlog = Gauge("talentfeed_backlog_events", "Records that wait for the database", multiprocess_mode="mostrecent")
backlog_age = Gauge("talentfeed_backlog_age_seconds", "Age of the oldest of them", multiprocess_mode="mostrecent")
dead_letters = Gauge("talentfeed_dead_letters", "Rows that the database refused", multiprocess_mode="mostrecent")
redis_emptied = Counter("talentfeed_redis_emptied", "Times that Redis was found emptied")
tunnel_up = Gauge("talentfeed_tunnel_up", "1 if the tunnel is up", ["tunnel"], multiprocess_mode="mostrecent")

request_seconds.labels("other")  # makes its file now, while there is room (`metrics_files.reserve`)

tally = Tally(request_seconds, SECONDS)
"""For what every request counts; it reaches the metrics above a little later."""


def observe_request(method: str, route: str, status: int, seconds: float) -> None:
    """Count one answer."""
    tally.count(requests, method, route, str(status))
    tally.observe(route, seconds)


class Shared(Collector):
    """What the files of several processes add up to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        """All metrics."""
        merge: Callable[[list[str]], Iterable[Metric]] = MultiProcessCollector.merge
        return merge([str(path) for path in metrics_folders.shown(self._folder)])


def render(folder: Path | None) -> bytes:
    """Metrics in the Prometheus text format: those kept in `folder` and the work process's; None: this process's."""
    tally.pass_on()
    if folder is None:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    registry.register(Shared(folder))
    return generate_latest(registry)
