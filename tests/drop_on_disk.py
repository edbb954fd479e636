"""A drop of one tier as a node holds it, made in a test's folder: real keys, real signatures, a real SoftHSM2 token."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
from coincurve import PrivateKey

from node_image.protocol import closeout, dsse, eip712, lease, manifest
from node_image.protocol.facts import DropFacts, EpochFacts, TierFacts
from node_image.protocol.rules import Claim
from node_image.protocol.signature import address_of
from node_image.signer.client import SignerClient
from tests.a_witness import Witness

SOFTHSM = Path("/usr/lib/softhsm/libsofthsm2.so")
FAR = 2**40 - 1  # the contract keeps times in 40 bits
ASSET = {"print-01.png": b"a picture"}


@dataclass(frozen=True, slots=True)
class Drop:
    """Its owner's key, its facts, where its files lie, and who vouches for its journal."""

    folder: Path
    owner: bytes
    facts: DropFacts
    witness: Witness = field(default_factory=Witness)

    def environment(self) -> dict[str, str]:
        """What the services are told."""
        return os.environ | {
            "SOFTHSM2_CONF": str(self.folder / "softhsm2.conf"),
            "EDGEDROP_DROP_DIR": str(self.folder / "drop"),
            "EDGEDROP_SOCKET": str(self.socket),
            "EDGEDROP_JOURNAL_DIR": str(self.folder / "journal"),
            "EDGEDROP_KEYSTORE": f"pkcs11:?module={SOFTHSM}&token=test&pin-file={self.folder}/pin",
        }

    @property
    def socket(self) -> Path:
        """The signer's."""
        return self.folder / "signer.sock"

    def signer(self, **more: str) -> subprocess.Popen[bytes]:
        """A signer process, with `more` in its environment; `address` waits for it."""
        return subprocess.Popen([sys.executable, "-m", "node_image.signer"], env=self.environment() | more)

    def ask(self, *what: str, stdin: bytes = b"") -> dict[str, object]:
        """The signer's own command line."""
        command = [sys.executable, "-m", "node_image.signer", *what]
        env = self.environment()
        printed = subprocess.run(command, env=env, input=stdin, capture_output=True, check=True, timeout=60).stdout
        return dict(msgspec.json.decode(printed))

    def vouch(self) -> None:
        """Its witness does, once the signer is there: without it a signer signs nothing."""
        asyncio.run(self.witness.vouch_soon(SignerClient(self.socket)))

    def rotated(self, epoch: int) -> Drop:
        """The same node told of one epoch more."""
        grant_id = "0x" + eip712.grant_id(self.facts.drop, self.facts.node, epoch).hex()
        facts = msgspec.structs.replace(self.facts, later=(*self.facts.later, EpochFacts(epoch, grant_id)))
        (self.folder / "drop" / "drop.json").write_bytes(msgspec.json.encode(facts))
        return replace(self, facts=facts)

    def seen_by(self, public: dict[str, str], places: dict[str, str]) -> Drop:
        """The same node told of the witnesses at its site: their keys, and where they stand."""
        witnesses = self.facts.witnesses | public
        facts = msgspec.structs.replace(self.facts, witnesses=witnesses, witness_places=places)
        (self.folder / "drop" / "drop.json").write_bytes(msgspec.json.encode(facts))
        return replace(self, facts=facts)

    def at(self, epoch: int) -> Drop:
        """The same node as the signer of one epoch sees it."""
        return replace(self, facts=next(one for one in self.facts.each() if one.epoch == epoch))

    def lease(self, key: str, quota: int = 1000, start: int = 100, redeem_by: int = FAR) -> bytes:
        """The owner's envelope for this node's grant."""
        leases = (lease.Lease(0, start, quota, 0, redeem_by),)
        facts = self.facts
        document = lease.LeaseDocument(1, facts.drop, facts.node, facts.epoch, facts.grant_id, key, leases)
        return lease.sign(document, self.owner)

    def close(self, grant_id: str = "") -> bytes:
        """The owner's command to close the grant out."""
        facts = self.facts
        grant_id = grant_id or facts.grant_id
        return closeout.sign(closeout.Command(1, facts.drop, facts.node, facts.epoch, grant_id), self.owner)

    def claim(self, claim_id: str, wallet: PrivateKey | None = None, slot: int = 0, tier: int = 0) -> Claim:
        """A claim that the wallet signed."""
        wallet = wallet or PrivateKey()
        struct = eip712.claim_struct_hash(self.facts.drop, tier, slot, eip712.claim_hash(claim_id))
        raw = wallet.sign_recoverable(eip712.digest(self.facts.domain().separator, struct), hasher=None)
        to = address_of(wallet.public_key.format(compressed=False))
        return Claim(claim_id, tier, to, slot, raw[:64] + bytes([27 + raw[64]]))


def make_drop(
    folder: Path,
    *,
    wallet_cap: int = 2,
    owner: bytes | None = None,
    contract: str = "0x" + "44" * 20,
    witness: Witness | None = None,
) -> Drop:
    """Write drop.json and content.zip as a node holds them."""
    owner, witness = owner or dsse.new_private_pem(), witness or Witness()
    token = manifest.Token(100, "print", "Print 1", "print-01.png", manifest.fingerprint(ASSET["print-01.png"]))
    made = manifest.build("lights", [token])
    facts = DropFacts(
        schema=1,
        drop="lights",
        title="Lights",
        chain_id=31337,
        contract=contract,
        manifest_digest=manifest.digest(made.payload()),
        owner_public_key=dsse.public_pem(owner).decode(),
        node="quay-appliance1",
        geo="quay",
        epoch=1,
        grant_id="0x" + eip712.grant_id("lights", "quay-appliance1", 1).hex(),
        opens_at=0,
        closes_at=FAR,
        redeem_by=FAR,
        tiers=(TierFacts(0, "print", "Print", 0, wallet_cap, 0),),
        witnesses=witness.public,
    )
    (folder / "drop").mkdir(parents=True)
    (folder / "tokens").mkdir()
    (folder / "drop" / "drop.json").write_bytes(msgspec.json.encode(facts))
    (folder / "drop" / "content.zip").write_bytes(manifest.content_zip(manifest.sign(made, owner), ASSET))
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\n")
    return Drop(folder, owner, facts, witness)


def softhsm_missing() -> str:
    """Empty where SoftHSM2 is installed, as `make setup` does it."""
    return "" if SOFTHSM.exists() and shutil.which("softhsm2-util") else "SoftHSM2 is not installed: make setup"
