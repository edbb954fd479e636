"""Buyers at a steady pace, each with a claim of its own that it sends until it is answered, and what they saw."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

OK = (b"200", b"201")
ANSWER_S = 5.0  # then a buyer's browser gives up
PAUSE_S = 0.2
PATIENCE_S = 20.0


@dataclass(frozen=True, slots=True)
class Wish:
    """A claim, signed ahead."""

    claim_id: str
    body: bytes


@dataclass(slots=True)
class Seen:
    """By one buyer: seconds from its first try to its voucher, and how many tries failed."""

    claim_id: str
    waited_s: float = PATIENCE_S
    failed: int = 0
    got: bool = False
    node: str = ""  # who gave it
    answer: bytes = b""


@dataclass(slots=True)
class Lines:
    """Connections to the front that are kept alive, as browsers do."""

    port: int
    idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=list)

    async def post(self, body: bytes) -> tuple[bytes, str, bytes]:
        """Status, who answered and what; a connection that was closed meanwhile is opened anew, as browsers do."""
        while True:
            kept = bool(self.idle)
            line = self.idle.pop() if kept else await asyncio.open_connection("127.0.0.1", self.port)
            try:
                answer = await self._asked(line, body)
            except (asyncio.IncompleteReadError, ConnectionError):
                line[1].close()
                if kept:
                    continue
                raise
            except BaseException:
                line[1].close()
                raise
            self.idle.append(line)
            return answer

    async def _asked(
        self, line: tuple[asyncio.StreamReader, asyncio.StreamWriter], body: bytes
    ) -> tuple[bytes, str, bytes]:
        reader, writer = line
        head = b"POST /v1/claims HTTP/1.1\r\nHost: quay\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        writer.write(head % len(body) + body)
        status, *lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (one.partition(b":") for one in lines)}
        answer = await reader.readexactly(int(headers[b"content-length"]))
        return status.split(b" ", 2)[1], headers.get(b"x-edgedrop-node", b"").decode(), answer


def sell(
    port: int, wishes: Sequence[Wish], per_second: float, at_s: float = 0.0, fault: Callable[[], None] = lambda: None
) -> list[Seen]:
    """Each wish at its time, whatever became of those before; the fault strikes at its second."""
    return asyncio.run(_sell(Lines(port), wishes, per_second, at_s, fault))


async def _sell(
    lines: Lines, wishes: Sequence[Wish], per_second: float, at_s: float, fault: Callable[[], None]
) -> list[Seen]:
    begun = time.monotonic()

    async def strike() -> None:
        await asyncio.sleep(at_s)  # its time
        await asyncio.to_thread(fault)

    async def buyer(number: int, wish: Wish) -> Seen:
        await asyncio.sleep(max(0.0, begun + number / per_second - time.monotonic()))  # its time
        return await _buy(lines, wish)

    async with asyncio.TaskGroup() as group:
        group.create_task(strike())
        buyers = [group.create_task(buyer(number, wish)) for number, wish in enumerate(wishes)]
    return [one.result() for one in buyers]


async def _buy(lines: Lines, wish: Wish) -> Seen:
    seen, begun = Seen(wish.claim_id), time.monotonic()
    while time.monotonic() - begun < PATIENCE_S:
        try:
            async with asyncio.timeout(ANSWER_S):
                status, seen.node, seen.answer = await lines.post(wish.body)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            status = b"none"
        if status in OK:
            seen.got, seen.waited_s = True, time.monotonic() - begun
            break
        seen.failed += 1
        await asyncio.sleep(PAUSE_S)  # a client's own
    return seen
