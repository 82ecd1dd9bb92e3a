"""One connection through a tunnel: the bytes of a local connection and of its SSH channel, passed on both ways."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import asyncssh

CHUNK = 256 * 1024
Channel = tuple["asyncssh.SSHReader[bytes]", "asyncssh.SSHWriter[bytes]"]


async def join(
    opening: Coroutine[Any, Any, Channel], seconds: float, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Open the channel within `seconds`, then pass bytes on until both sides have ended or one is gone.

    Raises what opening the channel raises; a connection that breaks later only ends.
    """
    far_reader, far_writer = await asyncio.wait_for(opening, seconds)
    try:
        async with asyncio.TaskGroup() as both:
            both.create_task(_pump(reader, far_writer))
            both.create_task(_pump(far_reader, writer))
    except* (asyncssh.Error, OSError):
        pass  # one side is gone: the other is closed with it
    finally:
        far_writer.channel.abort()


async def _pump(
    source: "asyncio.StreamReader | asyncssh.SSHReader[bytes]",
    target: "asyncio.StreamWriter | asyncssh.SSHWriter[bytes]",
) -> None:
    """Copy bytes until the end of the source, then end the target's half."""
    while chunk := await source.read(CHUNK):
        target.write(chunk)
        await target.drain()
    target.write_eof()
