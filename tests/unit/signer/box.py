"""A signer in this process on a machine of the test's making: its time, its boots, its disk, its witness."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import msgspec

from node_image.protocol import dsse, journal, lease
from node_image.protocol.facts import DropFacts
from node_image.protocol.journal import Kind
from node_image.protocol.lease import Lease
from node_image.protocol.rules import Claim
from node_image.protocol.timing import Boot
from node_image.protocol.voucher import Voucher
from node_image.signer.core import Refused, Signer
from node_image.signer.intake import Told, Waiting
from node_image.signer.journal_file import JournalFile
from node_image.signer.keystores import open_keystore
from tests.a_witness import Witness
from tests.unit.protocol.world import FACTS, NOW, claim

OWNER = dsse.new_private_pem()
KEY, PEER_KEY = dsse.new_private_pem(), dsse.new_private_pem()
LEASES = (Lease(0, 1, 4, NOW - 100, NOW + 5000), Lease(1, 41, 2, NOW - 100, NOW + 5000))


@dataclass
class Box:
    """A machine: the true time, its count since it booted, its disk. What a witness is told of is the truth."""

    folder: Path
    now_ms: int = NOW * 1000
    boot: str = "b1"
    booted_ms: int = NOW * 1000 - 50_000
    witness: Witness = field(init=False)
    facts: DropFacts = field(init=False)
    files: dict[Path, JournalFile] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.witness = Witness(KEY, now_ms=lambda: self.now_ms)
        public = dsse.public_pem(OWNER).decode()
        self.facts = msgspec.structs.replace(FACTS, owner_public_key=public, witnesses=self.witness.public)

    @property
    def path(self) -> Path:
        """The journal."""
        return self.folder / "one.journal"

    @property
    def kinds(self) -> list[Kind]:
        """What stands in it."""
        return [frame.kind for frame in journal.scan(self.path.read_bytes()).frames]

    def count(self) -> Boot:
        """CLOCK_BOOTTIME."""
        return Boot(self.boot, self.now_ms - self.booted_ms)

    def reboot(self) -> None:
        """Another boot, another count."""
        self.boot, self.booted_ms = self.boot + "'", self.now_ms

    def journal(self, path: Path) -> JournalFile:
        """Open; the process that had it open before has died."""
        if died := self.files.pop(path, None):
            died.close()
        self.files[path] = JournalFile(path)
        return self.files[path]

    async def open(self, path: Path | None = None) -> Signer:
        """A signer process on this disk."""
        keystore = open_keystore(f"file:?folder={self.folder}/keys")
        file = self.journal(path or self.path)
        signer = Signer(self.facts, keystore.key("one"), keystore.key("enrol"), file, self.count)
        await signer.open()
        return signer

    async def start(self, path: Path | None = None) -> Signer:
        """The same, with its leases."""
        signer = await self.open(path)
        grant = (self.facts.drop, self.facts.node, 1, self.facts.grant_id, "0x" + signer.address.hex())
        await signer.take_lease(lease.LeaseDocument(1, *grant, LEASES), b"{}")
        return signer

    async def vouch(self, signer: Signer, witness: Witness | None = None, *, way_ms: int = 40) -> None:
        """Asked, answered half way, heard."""
        nonce = signer.question()
        self.now_ms += way_ms // 2
        answer = (witness or self.witness).answer(self.facts.grant_id, nonce)
        self.now_ms += way_ms - way_ms // 2
        await signer.hear(answer)

    def witness_that_tells_no_time(self) -> Witness:
        """A peer: it vouches for a journal, and is no source of time."""
        return replace(self.witness, key=PEER_KEY, name="peer")

    def saw(self, signer: Signer) -> Witness:
        """A witness that was shipped the journal as it is now."""
        return replace(self.witness, frames=signer.state.journal_seq, head=signer.state.head)


async def said(signer: Signer, *asked: Claim) -> list[Told]:
    """What each claim is told; one group, as `run` takes it."""
    told: list[list[Told]] = [[] for _ in asked]
    await signer._answer([Waiting(one, partial(_keep, kept)) for one, kept in zip(asked, told, strict=True)])
    (found,) = zip(*told, strict=True)  # each once
    return list(found)


def _keep(told: list[Told], answer: Told, _new: bool) -> None:
    told.append(answer)


async def sold(signer: Signer, name: str, buyer: int = 0) -> Voucher:
    """A voucher."""
    (found,) = await said(signer, claim(name, buyer))
    assert isinstance(found, Voucher), found
    return found


async def refused(signer: Signer, name: str = "late", buyer: int = 9) -> tuple[str, str]:
    """Code and reason of a no, after which nothing was written or signed."""
    before = signer.state.journal_seq
    (found,) = await said(signer, claim(name, buyer))
    assert isinstance(found, Refused), found
    assert signer.state.journal_seq == before
    return found.code, str(found)
