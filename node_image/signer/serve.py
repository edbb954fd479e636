"""One grant served on a Unix socket: key warmed, journal opened, claims answered. The hub does so for each node."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from pathlib import Path

from node_image.protocol.facts import DropFacts
from node_image.service import log
from node_image.signer import reserves
from node_image.signer.core import Signer
from node_image.signer.giving_up import NodeKeys, label
from node_image.signer.journal_file import JournalFile
from node_image.signer.keystores import Key
from node_image.signer.server import SocketServer
from node_image.signer.warming import Warming, warm_keys

GC_EVERY = 50_000  # objects: a batch makes thousands, none of them in a circle


async def serve_grant(
    facts: DropFacts, key_of: Callable[[str], Key], journals: Path, socket: Path, keys: NodeKeys | None = None
) -> None:
    """Until cancelled. Faults of journal or grant end it; an HSM that is out is waited for, and the socket says so.

    `keys` are the node's where it may be told to give them up.
    """
    name = label(facts)
    # First: whoever has it has the socket, too, and may keep it.
    file = JournalFile(journals / (name.replace("/", ".") + ".journal"))
    try:
        key, enrolment = await _warm(facts, lambda: (key_of(name), key_of(reserves.label(facts.node))), socket)
        if file.torn:
            log("cut off an append that never finished; nothing in it was signed", level="warning", bytes=file.torn)
        signer = Signer(facts, key, enrolment, file)
        await signer.open()
        if keys is not None:
            keys.signers[facts.epoch] = signer
        gc.collect()
        gc.freeze()  # what is there now stays: no collection walks it again
        gc.set_threshold(GC_EVERY)
        await _serve(signer, socket, keys)
    finally:
        file.close()


async def _serve(signer: Signer, socket: Path, keys: NodeKeys | None) -> None:
    server = await SocketServer(signer, keys).serve(socket)
    log("signer serves", drop=signer.facts.drop, node=signer.facts.node, key="0x" + signer.address.hex())
    tasks = [asyncio.create_task(work) for work in (signer.run(), signer.flush(), signer.revive())]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for one in done:
            one.result()  # they never end but by a fault
    finally:
        for one in tasks:
            one.cancel()
        server.close()


async def _warm(facts: DropFacts, open_keys: Callable[[], tuple[Key, Key]], socket: Path) -> tuple[Key, Key]:
    """The keys, once their HSM has signed with them; until then the socket says why there are none."""
    warming = Warming(facts.grant_id)
    await warming.serve(socket)
    try:
        return await warm_keys(open_keys, warming)
    finally:
        warming.close()
