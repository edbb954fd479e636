"""`python -m tests.bench.relay <port> <to>`: a cable that can be bad. A line on stdin makes it `good`, `slow` or `cut`.

Slow: whatever a node says arrives 5 s later. Cut: nothing passes, nobody is told, and no new connection comes about.
"""

from __future__ import annotations

import asyncio
import sys

SLOW_S = 5.0
CHUNK = 1 << 16


class Relay:
    """One port's connections."""

    def __init__(self, to: int) -> None:
        self.to, self.how, self.tasks = to, "good", set[asyncio.Task[None]]()
        self.whole = asyncio.Event()
        self.whole.set()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Both ways until one ends."""
        await self.whole.wait()
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.to)
        except OSError:
            writer.close()
            return
        async with asyncio.TaskGroup() as group:
            group.create_task(self.pass_on(reader, back))
            group.create_task(self.pass_on(there, writer, late=True))

    async def pass_on(self, source: asyncio.StreamReader, to: asyncio.StreamWriter, *, late: bool = False) -> None:
        """One way."""
        try:
            while data := await source.read(CHUNK):
                if late and self.how == "slow":
                    await asyncio.sleep(SLOW_S)  # what is measured
                await self.whole.wait()
                to.write(data)
                await to.drain()
        except ConnectionError:
            pass
        finally:
            to.close()

    async def told(self) -> None:
        """From stdin until it ends."""
        lines = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        while line := (await lines.readline()).decode().strip():
            self.how = line
            self.whole.clear() if line == "cut" else self.whole.set()


async def main() -> None:
    """Listen until stdin ends."""
    port, to = map(int, sys.argv[1:])
    relay = Relay(to)
    async with await asyncio.start_server(relay.connected, "127.0.0.1", port):
        await relay.told()


if __name__ == "__main__":
    asyncio.run(main())
