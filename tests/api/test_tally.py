"""What the request path counts in its own memory ends up in the shared metrics, all of it."""

import asyncio
import uuid

from prometheus_client import CollectorRegistry, Counter, generate_latest

from api import identifiers
from api.tally import PASS_ON_SECONDS, TalliedHistogram, Tally

BOUNDS = (0.1, 1.0)


def made() -> tuple[CollectorRegistry, Counter, Tally]:
    registry = CollectorRegistry()
    steps = Counter("steps", "", ["kind"], registry=registry)
    return registry, steps, Tally(TalliedHistogram("waits", "", ["on"], buckets=BOUNDS, registry=registry), BOUNDS)


def shown(registry: CollectorRegistry) -> str:
    return generate_latest(registry).decode()


def test_without_an_event_loop_a_count_is_passed_on_at_once() -> None:
    registry, steps, tally = made()
    tally.count(steps, "a", by=3)
    assert 'steps_total{kind="a"} 3.0' in shown(registry)


def test_what_gathered_is_passed_on_a_little_later_and_once() -> None:
    registry, steps, tally = made()

    async def story() -> str:
        for value in (0.1, 0.5, 7.0):
            tally.count(steps, "a")
            tally.observe("redis", value)
        at_first = shown(registry)
        await asyncio.sleep(2 * PASS_ON_SECONDS)
        return at_first

    assert "steps_total{" not in asyncio.run(story())
    tally.pass_on()
    text = shown(registry)
    assert 'steps_total{kind="a"} 3.0' in text
    buckets = [
        f'waits_bucket{{le="{le}",on="redis"}} {count}' for le, count in (("0.1", 1.0), ("1.0", 2.0), ("+Inf", 3.0))
    ]
    assert all(bucket in text for bucket in buckets)
    assert 'waits_sum{on="redis"} 7.6' in text


def test_identifiers_are_uuids_and_none_is_given_twice() -> None:
    given = [identifiers.uuid4() for _ in range(2_000)]
    assert len(set(given)) == 2_000
    assert all(str(uuid.UUID(one)) == one and uuid.UUID(one).version == 4 for one in given)
    assert max(identifiers.seed() for _ in range(200)).bit_length() <= identifiers.SEED_BITS
