"""The handover from the warming socket to the signer's."""

from __future__ import annotations

import asyncio
from pathlib import Path

from node_image.signer.warming import Warming


async def test_who_is_heard_only_after_the_end_is_hung_up_on(tmp_path: Path) -> None:
    warming = Warming("0x00")
    warming.close()
    await asyncio.start_unix_server(warming._connection, tmp_path / "s")
    reader, _ = await asyncio.open_unix_connection(tmp_path / "s")
    assert await asyncio.wait_for(reader.read(), 5) == b""
