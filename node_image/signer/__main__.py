"""`python3 -m node_image.signer`: serve. With `address`, `status`, `close`, `give-up`: ask the running one, print JSON.

`address` and `status` take a grant's id, and mean the node's first one where none is given. `close` reads the owner's
command on stdin; its answer is the lease key's last word (node_image/protocol/closeout.py). `give-up` reads the owner's
`release-keys` there (node_image/protocol/command.py) and ends with 1 where it is refused.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from pathlib import Path

import uvloop
from pydantic_settings import BaseSettings, SettingsConfigDict

from node_image.protocol import closeout, manifest
from node_image.protocol.errors import ProtocolError
from node_image.protocol.facts import DropFacts, parse
from node_image.service import log
from node_image.signer.client import SignerAway, SignerClient, SignerRefused, socket_of, socket_of_grant
from node_image.signer.giving_up import NodeKeys
from node_image.signer.journal_file import DiskFault
from node_image.signer.keystores import HsmFault, Misfit, Shared, refuse_plain_keys
from node_image.signer.serve import serve_grant

SOFTHSM = "pkcs11:?module=/usr/lib/softhsm/libsofthsm2.so&token=edgedrop&pin-file=/var/lib/edgedrop/tokens/pin"
GIVE_UP_S = 60.0
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
        return _asked(settings, *sys.argv[1:])
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
    serving = asyncio.create_task(_serve_all(settings, facts))
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await asyncio.wait([asyncio.create_task(stopping.wait()), serving], return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        serving.result()


async def _serve_all(settings: Settings, facts: DropFacts) -> None:
    """Each epoch on its socket. Where one ends, all do: a claim comes to the oldest first, the others sell nothing."""
    keys = NodeKeys(facts, Shared(settings.keystore), settings.journal_dir)
    grants = ((one, socket_of(settings.socket, one.epoch)) for one in facts.each())
    served = (serve_grant(one, keys.key, settings.journal_dir, socket, keys) for one, socket in grants)
    await asyncio.gather(keys.finish(), *served)


def _asked(settings: Settings, what: str, grant_id: str = "") -> int:
    try:
        if what == "close":
            return asyncio.run(_close(settings, sys.stdin.buffer.read()))
        if what == "give-up":
            return asyncio.run(_give_up(settings, sys.stdin.buffer.read()))
        return asyncio.run(_ask(_socket(settings, grant_id) if grant_id else settings.socket, what))
    except ProtocolError as fault:
        print(f"error: {fault}\nhint: `edgedrop status` says which grants the node is to hold", file=sys.stderr)
        return 2


def _socket(settings: Settings, grant_id: str) -> Path:
    return socket_of_grant(settings.socket, settings.drop_dir, grant_id)


async def _close(settings: Settings, envelope: bytes) -> int:
    """Said again, the same answer."""
    owner = parse((settings.drop_dir / "drop.json").read_bytes()).owner_public_key.encode()
    client = SignerClient(_socket(settings, closeout.verify(envelope, owner).grant_id))
    try:
        told = await client.ask("close", envelope=envelope)
    except (SignerAway, SignerRefused) as fault:
        print(f"error: {fault}\nhint: `edgedrop closeout` makes the command that belongs on stdin", file=sys.stderr)
        return 5
    print(json.dumps({"high_seqs": told["high_seqs"], "signature": "0x" + told["signature"].hex()}))
    return 0


async def _give_up(settings: Settings, envelope: bytes) -> int:
    """Said again, the same answer."""
    try:
        told = await SignerClient(settings.socket, GIVE_UP_S).ask("give_up", envelope=envelope)
    except SignerRefused as refusal:
        print(json.dumps({"refused": {"code": refusal.code, "reason": str(refusal)}}))
        return 1
    except SignerAway as fault:
        print(f"error: {fault}", file=sys.stderr)
        return 5
    print(json.dumps(told))
    return 0


async def _ask(socket: Path, what: str) -> int:
    """`address` waits for a signer that is just starting."""
    client, deadline = SignerClient(socket), time.monotonic() + SOCKET_S
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
