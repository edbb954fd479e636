"""`python3 -m node_image.signer`: serve. With `address`, `status` or `close`: ask the running signer, print JSON.

`close` reads the owner's command on stdin; its answer is the lease key's last word (node_image/protocol/closeout.py).
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import uvloop
from pydantic_settings import BaseSettings, SettingsConfigDict

from node_image.protocol import manifest
from node_image.protocol.errors import ProtocolError
from node_image.protocol.facts import DropFacts, parse
from node_image.service import log
from node_image.signer.client import SignerAway, SignerClient, SignerRefused
from node_image.signer.journal_file import DiskFault
from node_image.signer.keystores import HsmFault, Key, Misfit, open_keystore, refuse_plain_keys
from node_image.signer.serve import serve_grant

SOFTHSM = "pkcs11:?module=/usr/lib/softhsm/libsofthsm2.so&token=edgedrop&pin-file=/var/lib/edgedrop/tokens/pin"
SOCKET_S = 20.0  # a signer opens and warms its HSM, and reads its journal, before it knows its key


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
        asked = _close(settings) if sys.argv[1] == "close" else _ask(settings, sys.argv[1])
        return asyncio.run(asked)
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


async def _serve(settings: Settings) -> None:
    facts = read_facts(settings.drop_dir)
    serving = asyncio.create_task(serve_grant(facts, open_keystore_of(settings), settings.journal_dir, settings.socket))
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await asyncio.wait([asyncio.create_task(stopping.wait()), serving], return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        serving.result()


def open_keystore_of(settings: Settings) -> Callable[[str], Key]:
    """The keystore is opened at each try: where it is out, it may be there the next time."""
    return lambda label: open_keystore(settings.keystore).key(label)


async def _close(settings: Settings) -> int:
    """Said again, the same answer."""
    try:
        told = await SignerClient(settings.socket).ask("close", envelope=sys.stdin.buffer.read())
    except (SignerAway, SignerRefused) as fault:
        print(f"error: {fault}\nhint: `edgedrop closeout` makes the command that belongs on stdin", file=sys.stderr)
        return 5
    print(json.dumps({"high_seqs": told["high_seqs"], "signature": "0x" + told["signature"].hex()}))
    return 0


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
