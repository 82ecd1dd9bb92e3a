"""Opening connections before requests come: a first exchange through a cold tunnel may take longer than they wait."""

import asyncio

from api.runtime import Runtime
from tracking.tracker import Tracker

LONGEST_SECONDS = 3.0
PAUSE_SECONDS = 0.1


async def warm_up(runtime: Runtime, tracker: Tracker) -> None:
    """Ask for a session until that is answered, three seconds at most: without Redis feeds are served all the same.

    Meanwhile `runtime.warming` makes /readyz say no; a feed that is asked for nevertheless is answered.
    """
    runtime.warming = True
    limit = asyncio.get_running_loop().time() + LONGEST_SECONDS
    while (await tracker.seen(0, "warm-up"))[1] and asyncio.get_running_loop().time() < limit:
        await asyncio.sleep(PAUSE_SECONDS)
    runtime.warming = False
