"""Turns by name: one at a time, in order, whatever becomes of those who wait."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from api.turns import Turns


async def take(turns: Turns, name: str, done: list[str], what: str, steps: int = 2) -> None:
    if not turns.begin(name):
        await turns.wait(name)
    try:
        done.append(f"{what} begins")
        for _ in range(steps):
            await asyncio.sleep(0)
        done.append(f"{what} ends")
    finally:
        turns.leave(name)


def run(story: Coroutine[Any, Any, list[str]]) -> list[str]:
    return asyncio.run(asyncio.wait_for(story, 5))


def test_those_of_one_name_come_one_after_another_as_they_asked_and_others_do_not_wait() -> None:
    async def story() -> list[str]:
        turns, done = Turns(), list[str]()
        names = [("a", "first"), ("a", "second"), ("b", "other"), ("a", "third")]
        await asyncio.gather(*(take(turns, name, done, what) for name, what in names))
        assert len(turns) == 0
        return done

    done = run(story())
    own = [line for line in done if not line.startswith("other")]
    assert own == [f"{what} {part}" for what in ("first", "second", "third") for part in ("begins", "ends")]
    assert done.index("other begins") < done.index("first ends")


def test_who_gives_up_while_waiting_holds_nobody_up() -> None:
    async def story() -> list[str]:
        turns, done = Turns(), list[str]()
        tasks = [asyncio.create_task(take(turns, "a", done, what)) for what in ("first", "second", "third")]
        await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert len(turns) == 0
        return done

    assert run(story()) == ["first begins", "first ends", "third begins", "third ends"]


def test_who_is_cancelled_as_the_turn_comes_passes_it_on() -> None:
    async def story() -> list[str]:
        turns, done = Turns(), list[str]()
        assert turns.begin("a")
        tasks = [asyncio.create_task(take(turns, "a", done, what)) for what in ("second", "third")]
        await asyncio.sleep(0)
        turns.leave("a")  # the second's turn has come, and it has not noticed yet
        tasks[0].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert len(turns) == 0
        return done

    assert run(story()) == ["third begins", "third ends"]
