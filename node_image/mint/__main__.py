"""`python3 -m node_image.mint`: settings -> content verified -> serve."""

from __future__ import annotations

import sys
from pathlib import Path

import uvicorn
from pydantic_settings import BaseSettings, SettingsConfigDict

from node_image.cooling import told
from node_image.mint.app import Mint, make_app
from node_image.mint.asking import Asking
from node_image.mint.cloud import CloudSigner
from node_image.mint.drain import Drain
from node_image.mint.epochs import epochs
from node_image.mint.heat import Heat
from node_image.mint.metrics import ClaimMetrics
from node_image.mint.receipts import Ledger
from node_image.peers import PeerClient, client_context
from node_image.protocol import manifest
from node_image.protocol.errors import ProtocolError
from node_image.protocol.facts import DropFacts, parse
from node_image.service import log
from node_image.signer.client import SignerClient, socket_of


class Settings(BaseSettings):
    """From the environment, prefix EDGEDROP_."""

    model_config = SettingsConfigDict(env_prefix="EDGEDROP_")
    drop_dir: Path = Path("/etc/edgedrop/drop")
    socket: Path = Path("/run/edgedrop/signer.sock")
    static_dir: Path = Path("/opt/edgedrop/static")
    host: str = "0.0.0.0"  # noqa: S104  the node's own network
    port: int = 8080
    tls_file: Path = Path("/etc/edgedrop/cloud/node.pem")  # own key and certificate
    authority_file: Path = Path("/etc/edgedrop/cloud/authority.pem")

    def asking(self, facts: DropFacts) -> Asking:
        """The node's own signer of each epoch, and the hub's behind it where there is one."""
        own = epochs({one.epoch: SignerClient(socket_of(self.socket, one.epoch)) for one in facts.each()})
        if not facts.cloud_signer:
            return Asking(own)
        host, _, port = facts.cloud_signer.rpartition(":")
        context = client_context(self.tls_file, self.authority_file)
        return Asking(own, CloudSigner(PeerClient(host, int(port), context)))


def main() -> int:
    """Serve until told to stop; a drop whose content isn't the owner's is not shown to anyone."""
    settings = Settings()
    try:
        facts = parse((settings.drop_dir / "drop.json").read_bytes())
        envelope, assets = manifest.read_content(settings.drop_dir / "content.zip")
        found = manifest.verify(envelope, facts.owner_public_key.encode(), assets)
        asking = settings.asking(facts)
    except (ProtocolError, OSError, ValueError) as fault:
        log("mint does not start", level="error", reason=str(fault))
        return 1
    ledger, heat = Ledger(facts.ledger_url), Heat(settings.socket.parent / told.FILE)
    drain = Drain(settings.socket.parent)
    mint = Mint(facts, found, assets, asking, ClaimMetrics(), settings.static_dir, ledger, heat, drain)
    log("mint serves", drop=facts.drop, node=facts.node, port=settings.port)
    uvicorn.run(make_app(mint), host=settings.host, port=settings.port, log_level="warning", access_log=False)
    return 0


sys.exit(main())
