"""One step of the fold: from the rows past a watermark to what they teach.

What a feed taught is a function of the set of acts on it (`attribution`). A step reads the rows past the watermark and,
of every feed they touch, all rows: it takes what the feed had taught before (from rows up to the old watermark) from
what it teaches now (up to the new one) and adds the difference to the sums. Nothing is kept aside, so learning in any
batches, after any crash, or again from nothing gives the same sums up to rounding. A record that comes after acts on
its feed is a touched feed like any other, so acts may be flushed before or after it.

Rows appear in the order of their ids (see `mysql_sink`), so nothing can slip in behind a watermark.
"""

import zlib
from collections import defaultdict
from dataclasses import dataclass

from tracking.attribution import NOTHING, Lessons, is_act, outcome
from tracking.events import Event
from tracking.sink import Sink
from tracking.state import State


@dataclass(frozen=True, slots=True)
class Part:
    """Which feeds a learner learns: those whose id falls on `index` of `of` parts. Acts without a feed go by theirs.

    >>> sum(Part(index, 3).has("f1") for index in range(3)), Part().has("f1")
    (1, True)
    """

    index: int = 0
    of: int = 1

    def has(self, identity: str) -> bool:
        """Whether this feed, or act without a feed, belongs to the part."""
        return zlib.crc32(identity.encode()) % self.of == self.index


ALL = Part()


@dataclass(frozen=True, slots=True)
class Step:
    """How many rows a step read, and how many positions it observed or revised."""

    rows: int
    lessons: int


def step(sink: Sink, state: State, limit: int, part: Part = ALL) -> Step | None:
    """Learn the next rows, at most `limit` of each log, into `state`; None when there is nothing new.

    Raises SinkUnavailableError before anything has changed.
    """
    fresh = sink.activities_after(state.activity_row, limit)
    feeds = sink.feeds_after(state.feed_row, limit)
    if not fresh and not feeds:
        return None
    activity_row = fresh[-1][0] if fresh else state.activity_row
    feed_row = feeds[-1][0] if feeds else state.feed_row
    touched = {event.feed_id for _, event in fresh if event.feed_id and is_act(event) and part.has(event.feed_id)}
    touched |= {feed_id for _, feed_id in feeds if part.has(feed_id)}
    acts: defaultdict[str, list[tuple[int, Event]]] = defaultdict(list)
    for row, event in sink.activities_of(touched, activity_row):
        if is_act(event) and row > state.since_activity:
            acts[event.feed_id or ""].append((row, event))
    lessons, attributed = Lessons(), 0
    for row, decision in sink.decisions_of(acts.keys(), feed_row):
        if row <= state.since_feed:
            continue
        known = acts[decision.feed_id]
        earlier = [event for at, event in known if at <= state.activity_row] if row <= state.feed_row else []
        before = outcome(decision, earlier) if earlier else NOTHING
        after = outcome(decision, [event for _, event in known])
        lessons.add(decision, before, after)
        attributed += after.acts - before.acts
    state.acts += sum(is_act(event) and part.has(event.feed_id or event.event_id) for _, event in fresh)
    state.attributed += attributed
    state.activity_row, state.feed_row = activity_row, feed_row
    state.activity_id = fresh[-1][1].event_id if fresh else state.activity_id
    state.feed_id = feeds[-1][1] if feeds else state.feed_id
    return Step(len(fresh) + len(feeds), lessons.teach(state.bandits))


def skip(sink: Sink, state: State, limit: int) -> None:
    """Move the watermark to the end of the logs without learning: rows up to there never teach this state."""
    while fresh := sink.activities_after(state.activity_row, limit):
        state.activity_row, state.activity_id = fresh[-1][0], fresh[-1][1].event_id
    while feeds := sink.feeds_after(state.feed_row, limit):
        state.feed_row, state.feed_id = feeds[-1]
    state.since_activity, state.since_feed = state.activity_row, state.feed_row


def strange_logs(sink: Sink, state: State) -> str:
    """What shows that these are not the logs the state was learnt from; empty when nothing does.

    A row that is absent shows nothing: rows may be deleted. Another id in the last row learnt does, and so does a log
    that ends before it.
    """
    feeds = sink.feeds_after(state.feed_row - 1, 1)
    if feeds and state.feed_id and feeds[0][0] == state.feed_row and feeds[0][1] != state.feed_id:
        return f"feed_log row {state.feed_row} is feed {feeds[0][1]}, not {state.feed_id}"
    if not feeds and sink.feeds_after(0, 1):
        return f"feed_log ends before row {state.feed_row}"
    acts = sink.activities_after(state.activity_row - 1, 1)
    if acts and state.activity_id and acts[0][0] == state.activity_row and acts[0][1].event_id != state.activity_id:
        return f"activity_log row {state.activity_row} is event {acts[0][1].event_id}, not {state.activity_id}"
    if not acts and sink.activities_after(0, 1):
        return f"activity_log ends before row {state.activity_row}"
    return ""
