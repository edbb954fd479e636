"""`python3 -m node_image.signer.vouching question <grant>`, then `.. answer <grant>` with the owner's word on stdin.

For a node that no witness reaches (`edgedrop journal vouch`): the signer is asked and answered as the courier does it.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from pydantic_settings import BaseSettings, SettingsConfigDict

from node_image.protocol.errors import ProtocolError
from node_image.signer.client import SignerAway, SignerClient, SignerRefused, socket_of_grant

SHOWN = ("grant_id", "journal_seq", "fresh", "ready", "reason", "time")


class Settings(BaseSettings):
    """From the environment, prefix EDGEDROP_."""

    model_config = SettingsConfigDict(env_prefix="EDGEDROP_")
    drop_dir: Path = Path("/etc/edgedrop/drop")
    socket: Path = Path("/run/edgedrop/signer.sock")


async def question(client: SignerClient) -> dict[str, Any]:
    """How it stands, and the nonce that an answer must name."""
    told, asked = await client.ask("status"), await client.ask("question")
    shown = {name: told[name] for name in SHOWN}
    return shown | {"head": "0x" + told["head"], "nonce": "0x" + asked["nonce"].hex()}


async def answer(client: SignerClient) -> dict[str, Any]:
    """Hand it over; how it stands then."""
    await client.ask("witness", envelope=sys.stdin.buffer.read())
    told = await client.ask("status")
    return {name: told[name] for name in SHOWN}


def main() -> int:
    """Ask, print JSON."""
    work, settings = {"question": question, "answer": answer}[sys.argv[1]], Settings()
    try:
        client = SignerClient(socket_of_grant(settings.socket, settings.drop_dir, sys.argv[2]))
        print(json.dumps(asyncio.run(work(client))))  # noqa: T201  the answer
    except (ProtocolError, SignerAway, SignerRefused) as fault:
        print(f"error: {fault}\nhint: python3 -m node_image.signer status", file=sys.stderr)  # noqa: T201
        return 5
    return 0


if __name__ == "__main__":
    sys.exit(main())
