"""One geography as processes of this machine: an appliance, a spare, a front, and a chain behind them."""

from __future__ import annotations

import asyncio
import os
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import batched
from pathlib import Path
from typing import Any

import msgspec
from coincurve import PrivateKey

from node_image.front.config import FrontNode, FrontOptions, render
from node_image.hub.chain import Chain
from node_image.hub.redemption import MAX_ITEMS
from node_image.protocol import create2, eip712
from node_image.protocol.signature import address_of
from node_image.signer.client import SignerClient
from tests.a_front import start_haproxy
from tests.bench.failover_load import Wish
from tests.bench.failover_node import START_S, Node
from tests.drop_on_disk import FAR, Drop, make_drop
from tests.e2e.contract_world import (
    CREATORS,
    HOLDERS,
    HUB,
    OPERATOR,
    RELAYER,
    Split,
    Tier,
    account,
    init_code,
    own_roles,
)
from tests.e2e.hub_world import free_port
from tests.e2e.standing import sweep, wait_for

QUOTA, SUPPLY = 4000, 200_000
TIER = Tier(1, SUPPLY, 200, 0, 0, (Split(CREATORS[0], 10_000),), QUOTA, SUPPLY)
type Pair = tuple[dict[str, Any], dict[str, Any]]  # both nodes' vouchers of one claim
# As Debian ships it, with a check and a spare behind: all times are HAProxy's own (2 s apart, three to be out).
DEFAULTS = """\
global
    stats socket {folder}/admin.sock
defaults
    mode http
    timeout connect 5s
    timeout client 50s
    timeout server 50s
frontend claims
    bind 127.0.0.1:{claims}
    default_backend nodes
backend nodes
    option httpchk GET /readyz
    server quay-appliance1 127.0.0.1:{appliance} check
    server quay-spare1 127.0.0.1:{spare} check backup
"""


@dataclass(frozen=True, slots=True)
class World:
    """The chain with the drop's contract; each run's nodes get leases of their own there."""

    chain: Chain
    contract: str

    @contextmanager
    def geography(
        self, number: int, *, cable: bool = False, default_checks: bool = False, **appliance: Any
    ) -> Iterator[tuple[Node, Node, int]]:
        """Appliance (with fields of its own), spare, and the front's port."""
        run = f"failover-{uuid.uuid4().hex[:6]}"
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            stack.callback(sweep, run)
            named = ((at, f"quay-{kind}1") for at, kind in enumerate(("appliance", "spare")))
            nodes = [
                self.node(Path(folder), f"lights-{number}", name, 1 + (2 * number + at) * QUOTA) for at, name in named
            ]
            nodes[0] = replace(nodes[0], **appliance)
            for node in nodes:
                stack.callback(node.down)
                node.up()
                self.lease(node)
            if cable:
                nodes[0].cable()
            for node in nodes:
                wait_for(lambda node=node: node.asked("/readyz"), START_S, "a node that can sell")  # type: ignore[misc]
            port = front(Path(folder), run, nodes, default_checks=default_checks)
            yield nodes[0], nodes[1], port

    def redeem(self, pairs: Sequence[Pair]) -> list[int]:
        """How many of each pair the contract takes."""
        taken: list[int] = []
        for some in batched(pairs, MAX_ITEMS // 2, strict=False):
            vouchers = [voucher for pair in some for voucher in pair]
            skipped = {one.item for one in self.chain.redeem_many(RELAYER, self.contract, vouchers).skipped}
            taken += [2 - len({2 * at, 2 * at + 1} & skipped) for at in range(len(some))]
        return taken

    def node(self, folder: Path, drop_name: str, name: str, start: int) -> Node:
        """Its files, below the folder; its lease is to begin at that token."""
        drop = make_drop(folder / name, wallet_cap=TIER.wallet_cap, contract=self.contract)
        grant = "0x" + eip712.grant_id(drop_name, name, 1).hex()
        facts = msgspec.structs.replace(drop.facts, drop=drop_name, node=name, grant_id=grant)
        (drop.folder / "drop" / "drop.json").write_bytes(msgspec.json.encode(facts))
        return Node(replace(drop, facts=facts), start)

    def lease(self, node: Node, quota: int = QUOTA, redeem_by: int = FAR) -> None:
        """Opened on chain, handed to the signer, and its journal vouched for."""
        client, key = SignerClient(node.drop.socket), str(node.drop.ask("address")["key"])
        lease = {"tier": 0, "start": node.start, "quota": quota, "not_before": 0, "redeem_by": redeem_by}
        self.chain.open_grant(OPERATOR, self.contract, node.drop.facts.grant_id, key, [lease])
        asyncio.run(client.ask("lease", envelope=node.drop.lease(key, quota, node.start, redeem_by)))
        node.drop.vouch()


def world(url: str, tier: Tier = TIER, artifact: bytes | None = None) -> World:
    """The contract (or another `artifact`) on a chain of its own."""
    chain = Chain(url, stuck_s=2)
    for key in (OPERATOR, RELAYER, HUB, *HOLDERS):
        chain.fund(account(key))
    salt = create2.salt("drop", "0x" + "33" * 32)
    return World(chain, chain.deploy(OPERATOR, salt, init_code(own_roles(), artifact, tiers=(tier,))))


def front(folder: Path, run: str, nodes: Sequence[Node], *, default_checks: bool = False) -> int:
    """HAProxy before an appliance and a spare; the port of its claims. `sweep(run)` takes it away."""
    claims, stats, admin = free_port(), free_port(), free_port()
    appliance, spare = (node.front_port for node in nodes)
    options = FrontOptions(f"127.0.0.1:{claims}", f"127.0.0.1:{stats}", str(folder / "admin.sock"), admin)
    places = (
        FrontNode("quay-appliance1", "127.0.0.1", "appliance", appliance, nodes[0].at_once),
        FrontNode("quay-spare1", "127.0.0.1", "spare", spare),
    )
    plain = DEFAULTS.format(folder=folder, claims=claims, appliance=appliance, spare=spare)
    (folder / "haproxy.cfg").write_text(plain if default_checks else render("quay", places, options))
    folder.chmod(0o755)
    start_haproxy(folder, run)
    place = Node(nodes[0].drop, 0, claims)
    wait_for(lambda: place.asked("/v1/drop"), START_S, "the front")
    return claims


def wishes(facts_of: Drop, count: int, first: int = 0) -> list[Wish]:
    """Each by a wallet of its own, signed ahead; they are numbered from `first` on."""
    facts = facts_of.facts
    return [_wish(facts.drop, facts.domain().separator, number) for number in range(first, first + count)]


def _wish(drop: str, separator: bytes, number: int) -> Wish:
    wallet, claim_id = PrivateKey(os.urandom(32)), f"claim-{number}"
    struct = eip712.claim_struct_hash(drop, 0, 0, eip712.claim_hash(claim_id))
    raw = wallet.sign_recoverable(eip712.digest(separator, struct), hasher=None)
    told = {"claim_id": claim_id, "tier": "print", "slot": 0}
    told |= {"to": "0x" + address_of(wallet.public_key.format(compressed=False)).hex()}
    return Wish(claim_id, msgspec.json.encode(told | {"signature": "0x" + raw[:64].hex() + f"{27 + raw[64]:02x}"}))
