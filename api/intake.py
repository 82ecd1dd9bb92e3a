"""Events in: made durable together, and each told what became of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from api import metrics
from api.errors import ProblemError, field_problem
from tracking.buffer import BufferFullError, BufferUnavailableError
from tracking.tracker import Accepted, Tracker


@dataclass(frozen=True, slots=True)
class Intake:
    """Takes events of clients."""

    tracker: Tracker

    async def take(self, raw: Sequence[object]) -> dict[str, Any]:
        """What became of these events. Raises 503 when nothing can take them now; then none of them was taken."""
        return answer(await self._accept(raw))

    async def take_view(self, raw: Any) -> dict[str, Any]:
        """One view; raises 422 that names the field when something is wrong with it."""
        if not isinstance(raw, dict):
            raise field_problem("body", "should be a JSON object")
        if raw.get("event_type", "video_view") != "video_view":
            raise field_problem("event_type", "should be video_view here, or absent")
        taken = await self._accept([{**raw, "event_type": "video_view"}])
        if taken.rejected:
            field, _, message = taken.rejected[0].message.partition(": ")
            raise field_problem(field, message)
        return answer(taken)

    async def _accept(self, raw: Sequence[object]) -> Accepted:
        try:
            taken = await self.tracker.accept(raw, datetime.now(UTC))
        except (BufferFullError, BufferUnavailableError, OSError) as error:
            raise ProblemError(
                503, f"No place is left for events: {error}", code="buffer_full", retry_after=5
            ) from None
        counts = {"accepted": taken.accepted, "duplicate": taken.duplicates, "rejected": len(taken.rejected)}
        for outcome, number in counts.items():
            metrics.events.labels(outcome).inc(number)
        return taken


def answer(taken: Accepted) -> dict[str, Any]:
    """As the client reads it."""
    rejected = [{"index": one.index, "code": one.code, "message": one.message} for one in taken.rejected]
    return {
        "accepted": taken.accepted,
        "duplicates": taken.duplicates,
        "rejected": rejected,
        "durability": taken.durability,
    }
