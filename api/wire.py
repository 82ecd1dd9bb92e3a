"""The shapes of answers and of event bodies, for /openapi.json alone; answers are written as bytes."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from tracking.events import DAY_SECONDS, LARGEST_ID, MOST_POSITION

Pool = Literal["VMP", "AU", "NU", "FW", "EXPLORE"]


class Item(BaseModel):
    """One position of a feed. A flow has its `name`; what only videos have is null or absent."""

    position: int = Field(ge=1, le=96)
    pool: Pool = Field(description="the pool that filled the slot")
    slot: Pool = Field(description="the pool the pattern planned for it")
    type: Literal["video", "flow"]
    id: int
    creator_id: int
    creator_name: str | None = None
    video_url: str | None = None
    name: str | None = None
    description: str | None = None
    skills: list[str] = []
    city: str | None = None
    country: str | None = None
    created_at: str | None = None
    views: int | None = None
    avg_rating: float | None = None
    rating_count: int | None = None
    like_count: int | None = None
    score: float | None = Field(description="the pool's final score; null where nothing was scored")
    propensity: float = Field(description="probability that this slot took this item, given everything before it")
    reason: str


class Relaxed(BaseModel):
    """A rule that gave way at a position."""

    position: int
    rule: str = Field(description="`pool:AU`, `watched`, `creator_window:6`, `short`")


class FeedAnswer(BaseModel):
    """A feed and all that reproduces it."""

    feed_id: str
    user_id: int
    session_id: str = Field(description="send it with the next request to get the next page")
    snapshot_id: str
    policy_version: str
    seed: int
    served_at: str
    mix_ids: list[str] = Field(description="the items in order: `video:12`, `flow:3`")
    items: list[Item]
    relaxed: list[Relaxed]
    short: bool = Field(description="fewer items than asked for")
    degraded: list[str] = Field(description="parts of the service that the feed had to do without")


class EventBody(BaseModel):
    """One activity. A view needs only `event_type`, `user_id` and `video_id`."""

    event_id: str | None = Field(None, description="a UUID made by the client; the same one again changes nothing")
    event_type: Literal["video_view", "like", "rating", "connection", "share", "skip", "hide"]
    user_id: int = Field(ge=0, le=LARGEST_ID)
    video_id: int | None = Field(None, ge=0, le=LARGEST_ID, description="this or flow_id, never both")
    flow_id: int | None = Field(None, ge=0, le=LARGEST_ID, description="instead of video_id, for an act on a flow")
    video_url: str | None = Field(None, max_length=1024, description="kept")
    feed_id: str | None = Field(None, max_length=64, description="the feed that showed the item")
    feed_type: str | None = Field(None, max_length=16, description="the pool that showed it; kept")
    session_id: str | None = Field(None, max_length=64, description="kept")
    position: int | None = Field(None, ge=1, le=MOST_POSITION, description="as the feed's items have it; kept")
    watch_seconds: float | None = Field(None, ge=0, le=DAY_SECONDS)
    duration_seconds: float | None = Field(None, ge=0, le=DAY_SECONDS)
    rating: float | None = Field(None, ge=1, le=5, description="needed by a rating")
    timestamp: str | None = Field(None, description="ISO-8601, from the year 2000; the time of arrival when absent")


class EventsBody(BaseModel):
    """One to 1,000 events."""

    model_config = ConfigDict(json_schema_extra={"examples": [
        {"events": [{"event_type": "video_view", "user_id": 7, "video_id": 12, "watch_seconds": 21.5,
                     "duration_seconds": 30}]},
    ]})  # fmt: skip

    events: list[EventBody] = Field(min_length=1, max_length=1000)


class ViewBody(EventBody):
    """One view."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"user_id": 7, "video_id": 12, "watch_seconds": 21.5}]})

    event_type: Literal["video_view"] = "video_view"


class RejectedEvent(BaseModel):
    """An event that was not taken."""

    index: int
    code: str
    message: str


class EventsAnswer(BaseModel):
    """What became of the events."""

    accepted: int
    duplicates: int
    rejected: list[RejectedEvent]
    durability: Literal["redis", "local"] = Field(description="where they wait for the database")


class FieldError(BaseModel):
    """A wrong field."""

    field: str = Field(examples=["excluded_ids[3]"])
    message: str


class ProblemAnswer(BaseModel):
    """RFC 9457."""

    type: str = "about:blank"
    title: str
    status: int
    code: str = Field(description="stable; meant for programs")
    detail: str
    request_id: str
    errors: list[FieldError] | None = Field(None, description="with 422: each wrong field")


class ReloadAnswer(BaseModel):
    """A reload that was asked for."""

    reload_id: str
    status_url: str


class WorkerState(BaseModel):
    """What one worker serves."""

    pid: int
    host: str = Field(description="the machine it runs on")
    generation: int = Field(description="grows by one with every switch of this worker")
    snapshot_id: str | None
    policy_version: str | None
    switched_at: float = Field(description="when it began to serve this snapshot, in seconds since 1970; 0 before")


class ReloadState(BaseModel):
    """How far a reload is."""

    reload_id: str
    state: Literal["requested", "starting", "loading", "building", "published", "failed"]
    reason: str
    requested_at: str
    updated_at: str
    live: bool = Field(description="every worker has switched to its snapshot")
    snapshot_id: str | None = None
    counts: dict[str, int] | None = None
    quarantine: dict[str, dict[str, int]] | None = Field(None, description="rows left out: table, reason, number")
    seconds: dict[str, float] | None = Field(None, description="time of each step")
    error: str | None = None
    workers: list[WorkerState]


class SnapshotState(BaseModel):
    """A snapshot on disk."""

    id: str
    created_at: str
    bytes: int
    current: bool


class SnapshotsAnswer(BaseModel):
    """All snapshots, the latest first."""

    snapshots: list[SnapshotState]


class ActivatedAnswer(BaseModel):
    """The snapshot that is served now."""

    snapshot_id: str


class StatusAnswer(BaseModel):
    """`alive` or `ready`."""

    status: str


class HealthAnswer(BaseModel):
    """For people: fields may be added."""

    model_config = ConfigDict(extra="allow")

    status: Literal["ok", "degraded", "starting"]
    environment: str
    problems: list[str]
