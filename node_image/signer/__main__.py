"""`python3 -m node_image.signer`: serve. With `address` or `status`: ask the running signer, print JSON."""

from __future__ import annotations

import asyncio
import gc
import json
import signal
import sys
import time
from pathlib import Path

import uvloop
from pydantic_settings import BaseSettings, SettingsConfigDict

from node_image.protocol import manifest
from node_image.protocol.errors import ProtocolError
from node_image.protocol.facts import DropFacts, parse
from node_image.service import log
from node_image.signer.client import SignerAway, SignerClient
from node_image.signer.core import Signer
from node_image.signer.journal_file import DiskFault, JournalFile
from node_image.signer.keystores import HsmFault, Key, Misfit, is_for_tests_only, open_keystore
from node_image.signer.server import SocketServer
from node_image.signer.warming import Warming, warm_key

SOFTHSM = "pkcs11:?module=/usr/lib/softhsm/libsofthsm2.so&token=edgedrop&pin-file=/var/lib/edgedrop/tokens/pin"
SOCKET_S = 10.0
GC_EVERY = 50_000  # objects: a batch makes thousands, none of them in a circle


class Settings(BaseSettings):
    """From the environment, prefix EDGEDROP_."""

    model_config = SettingsConfigDict(env_prefix="EDGEDROP_")
    drop_dir: Path = Path("/etc/edgedrop/drop")
    socket: Path = Path("/run/edgedrop/signer.sock")
    journal_dir: Path = Path("/var/lib/edgedrop/journal")
    keystore: str = SOFTHSM
    allow_file_keys: bool = False  # unit tests only


def main() -> int:
    """Serve, or ask who serves."""
    settings = Settings()
    if len(sys.argv) > 1:
        return asyncio.run(_ask(settings, sys.argv[1]))
    try:
        refuse_plain_keys(settings.keystore, allowed=settings.allow_file_keys)
        uvloop.run(_serve(settings))
    except Misfit as fault:
        print(f"error: {fault}\nhint: {fault.hint}", file=sys.stderr)
        return 2
    except (ProtocolError, DiskFault, HsmFault, OSError) as fault:
        log("signer does not start", level="error", reason=str(fault))
        return 1
    return 0


def read_facts(folder: Path) -> DropFacts:
    """The drop's facts; its content must be what the owner signed, else NotVerified."""
    facts = parse((folder / "drop.json").read_bytes())
    envelope, assets = manifest.read_content(folder / "content.zip")
    found = manifest.verify(envelope, facts.owner_public_key.encode(), assets)
    if manifest.digest(found.payload()) != facts.manifest_digest:
        raise ProtocolError("the manifest on this node is not the one of its contract")
    return facts


def refuse_plain_keys(keystore: str, *, allowed: bool) -> None:
    """Misfit for keys in plain files, but in a unit test."""
    if is_for_tests_only(keystore) and not allowed:
        raise Misfit(
            "file: keys lie open on the disk: no drop is signed with them",
            "use pkcs11:, or in a unit test set EDGEDROP_ALLOW_FILE_KEYS=1",
        )


async def _serve(settings: Settings) -> None:
    facts = read_facts(settings.drop_dir)
    label = f"{facts.drop}/{facts.node}/{facts.epoch}"
    key = await _warm(facts, label, settings)
    file = JournalFile(settings.journal_dir / (label.replace("/", ".") + ".journal"))
    signer = Signer(facts, key, file)
    if file.torn:
        log("cut off an append that never finished; nothing in it was signed", level="warning", bytes=file.torn)
    await signer.open()
    gc.collect()
    gc.freeze()  # what is there now stays: no collection walks it again
    gc.set_threshold(GC_EVERY)
    server = await SocketServer(signer).serve(settings.socket)
    log("signer serves", drop=facts.drop, node=facts.node, key="0x" + signer.address.hex())
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    tasks = [asyncio.create_task(work) for work in (signer.run(), signer.flush(), signer.revive())]
    await asyncio.wait([asyncio.create_task(stopping.wait()), *tasks], return_when=asyncio.FIRST_COMPLETED)
    server.close()


async def _warm(facts: DropFacts, label: str, settings: Settings) -> Key:
    """The key, once its HSM has signed with it; until then the socket says why there is none."""
    warming = Warming(facts.grant_id)
    server = await warming.serve(settings.socket)
    try:
        return await warm_key(lambda: open_keystore(settings.keystore).key(label), warming)
    finally:
        server.close()
        server.close_clients()


async def _ask(settings: Settings, what: str) -> int:
    """`address` waits for a signer that is just starting."""
    client, deadline = SignerClient(settings.socket), time.monotonic() + SOCKET_S
    while True:
        try:
            told = await client.ask("status")
            reason = "" if what != "address" or told["key"] else told["reason"]
        except SignerAway as fault:
            reason = str(fault)
        if not reason:
            print(json.dumps({name: told[name] for name in ("grant_id", "key")} if what == "address" else told))
            return 0
        if time.monotonic() > deadline:
            print(f"error: {reason}", file=sys.stderr)
            return 5
        await asyncio.sleep(0.1)


sys.exit(main())
