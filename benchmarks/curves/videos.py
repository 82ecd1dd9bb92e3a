"""One feed as the catalogue grows, beside the limit that memory sets."""

from benchmarks.curves.chart import Axis, Chart, Curve, Series
from benchmarks.measure import bandwidth, timed
from benchmarks.scale import BYTES_A_VIDEO, SIZES, USERS, feeds, reading_ms

CALLS = 1_500
TIMES = 4
"""A feed of a million videos is to take at most so many times as reading its bytes."""


def measured() -> list[Curve]:
    """Median and 10th percentile of feeds; what reading takes at the speed measured before and after."""
    before = bandwidth()
    found = {videos: timed(feeds(videos), calls=CALLS if videos < 1_000_000 else CALLS // 5) for videos in SIZES}
    speed = max(before, bandwidth())
    once = [(float(videos), reading_ms(videos, speed)) for videos in SIZES]
    series = [
        Series.of("one feed, median", [(videos, median) for videos, (median, _) in found.items()]),
        Series.of("one feed, a tenth below", [(videos, tenth) for videos, (_, tenth) in found.items()]),
        Series.of("reading its bytes once", once, limit=True),
        Series.of(f"{TIMES} times that", [(videos, TIMES * taken) for videos, taken in once], limit=True),
    ]
    largest = max(SIZES)
    note = (
        f"Engine only, one thread, {USERS:,} viewers. A feed needs {BYTES_A_VIDEO} bytes a video; one thread reads "
        f"{speed / 1e9:.1f} GB/s from a buffer larger than the caches, so at {largest:,} videos a feed takes "
        f"{found[largest][0] / reading_ms(largest, speed):.1f} times as long as reading them once."
    )
    x, y = Axis("videos"), Axis("milliseconds")
    return [Chart("videos", "One feed by the number of videos", x, y, series, note=note)]
