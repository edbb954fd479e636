"""The ledger's checkpoints, its evidence and its word as a witness, on a real bus and a real database."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nats
import pytest
from coincurve import PrivateKey
from nats.aio.client import Client
from nats.aio.msg import Msg
from sqlalchemy import select

from node_image.bus.config import HUB_USER
from node_image.hub.ledger import checkpoints as points
from node_image.hub.ledger.checkpoints import Pace
from node_image.hub.ledger.tables import checkpoints, equivocations
from node_image.hub.redemption import Place
from node_image.protocol import dsse, merkle, trail, witness
from node_image.protocol.errors import NotVerified
from node_image.protocol.journal import Kind
from node_image.protocol.lease import Lease
from tests.e2e.hub_world import Hub, hub, leaf_bus, missing, wait_for
from tests.e2e.journal_node import FOREVER, Node

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())
SUPPLY = 10_000
NONCE = b"\7" * 32


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A ledger that is up."""
    with hub(tmp_path_factory.mktemp("hub"), "http://127.0.0.1:1") as made:
        made.start("ledger")
        yield made


@pytest.fixture
def node(ground: Hub, request: pytest.FixtureRequest) -> Node:
    """A node of this test's own, announced."""
    return announced(ground, f"n{abs(hash(request.node.name)) % 10**9}")


def announced(ground: Hub, name: str) -> Node:
    """A node whose grant the ledger knows; each is a drop of its own."""
    made = Node(name, "quay-spare1", "0x" + "11" * 20, Lease(0, 1, SUPPLY, 0, FOREVER), PrivateKey(os.urandom(32)))
    ground.publish(*made.announce(ground.owner), *made.ship())
    wait_for(lambda: arrived(ground, made), 20, "the announcement and the journal's beginning")
    return made


def arrived(ground: Hub, node: Node) -> bool:
    """Whether the ledger holds all that the node has."""
    told = ground.get(f"/v1/drops/{node.drop}")
    grants: list[dict[str, Any]] = told.json()["grants"] if told.is_success else []
    return any(grant["journal_seq"] == len(node.frames) for grant in grants)


def twice(ground: Hub, node: Node) -> list[int]:
    """Batches of the node that the ledger knows to be signed twice."""
    with ground.engine.connect() as connection:
        mine = equivocations.c.grant_id == node.grant_id
        return list(connection.execute(select(equivocations.c.batch_seq).where(mine)).scalars())


def make(ground: Hub, node: Node, most: int = 100) -> Any:
    """The node's next checkpoint, as a row."""
    with ground.engine.begin() as connection:
        number = points.make(connection, node.grant_id, most)
        mine = (checkpoints.c.grant_id == node.grant_id) & (checkpoints.c.number == number)
        return number is not None and connection.execute(select(checkpoints).where(mine)).one()


def test_checkpoints_cover_every_signed_batch_once(ground: Hub, node: Node) -> None:
    for count in (1, 3, 2):
        node.sell(count)
    node.sell(1, signed=False)
    ground.publish(*node.ship())
    wait_for(lambda: arrived(ground, node), 20, "the batches")
    first, second, third = make(ground, node, most=2), make(ground, node), make(ground, node)
    assert (first.first_batch, first.last_batch, first.high_seqs) == (0, 1, [4])
    assert first.root == merkle.root([node.digest(0), node.digest(1)])
    header = [frame for frame in node.frames if frame.kind is Kind.BATCH][1]
    assert (first.journal_seq, first.head) == (header.seq + 1, header.head)
    assert (second.number, second.first_batch, second.last_batch, second.high_seqs) == (1, 2, 2, [6])
    assert third is False, "a batch that is not signed yet is not covered"
    node.sign(3)
    ground.publish(*node.ship())
    wait_for(lambda: arrived(ground, node), 20, "the signature")
    assert (make(ground, node).root, make(ground, node)) == (node.digest(3), False)


def test_a_checkpoint_that_waits_holds_the_next_back_unless_it_is_for_the_holders(ground: Hub, node: Node) -> None:
    def due(every_s: float = 1e-6, most: int = 9, *, stacking: bool = False) -> bool:
        with ground.engine.begin() as connection:
            held = frozenset([node.grant_id]) if stacking else frozenset[bytes]()
            return node.grant_id in points.due(connection, Pace(every_s, most), stacking=held)

    assert not due(), "there is nothing to cover"
    node.sell(1)
    ground.publish(*node.ship())
    wait_for(due, 20, "the first batch, at once")
    make(ground, node)
    for _ in range(3):
        node.sell(1)
    ground.publish(*node.ship())
    wait_for(lambda: due(stacking=True), 20, "the batches after it")
    assert not due()
    anchor(ground, node)
    assert due()
    assert not due(every_s=3600)
    assert due(every_s=3600, most=3), "as many as a checkpoint takes"


def anchor(ground: Hub, node: Node) -> None:
    """As the anchorer writes it."""
    with ground.engine.begin() as connection:
        for one in points.waiting(connection):
            if one.grant_id == node.grant_id:
                points.write_anchored(connection, one, Place("0x" + "ab" * 32, 7, 1_790_000_000))


def test_an_anchor_is_told_with_a_proof_once_it_is_on_chain(ground: Hub, node: Node) -> None:
    for _ in range(5):
        node.sell(1)
    ground.publish(*node.ship())
    wait_for(lambda: arrived(ground, node), 20, "the batches")
    grant = "0x" + node.grant_id.hex()
    make(ground, node)
    waits = ground.get(f"/v1/anchors/{grant}/3")
    assert (waits.status_code, waits.json()["error"]["message"]) == (404, "batch 3: not yet anchored")
    told = ground.get(f"/v1/supplement/{grant}").json()
    assert told["roots"] == [told["covers"][0]["root"]]
    assert (told["anchored"], told["covers"][0]["vouchers"], told["high_seqs"]) == (None, 5, [5])
    anchor(ground, node)
    for number in range(5):
        found = ground.get(f"/v1/anchors/{grant}/{number}").json()
        proof = [bytes.fromhex(sibling[2:]) for sibling in found["proof"]]
        assert "0x" + merkle.climb(node.digest(number), proof).hex() == found["root"] == told["roots"][0]
    assert (found["number"], found["tx"], found["block"], found["anchored_at"]) == (
        0,
        "0x" + "ab" * 32,
        7,
        1_790_000_000,
    )
    after = ground.get(f"/v1/supplement/{grant}").json()
    assert (after["roots"], after["anchored"]["last_batch"]) == ([], 4)


@pytest.mark.parametrize("path", ["anchors/0x12/0", f"anchors/{'ab' * 32}/0", "supplement/zz"])
def test_a_grant_that_nobody_announced_is_not_found(ground: Hub, path: str) -> None:
    told = ground.get(f"/v1/{path}")
    assert told.status_code == 404
    assert "announcement" in told.json()["error"]["message"]


def test_a_number_past_all_batches_is_not_anchored(ground: Hub, node: Node) -> None:
    assert ground.get(f"/v1/anchors/{node.grant_id.hex()}/{2**64}").status_code == 404


def test_an_honest_journal_sent_twice_is_no_evidence(ground: Hub, node: Node) -> None:
    node.sell(2)
    node.sell(1)
    ground.publish(*node.ship())
    node.shipped = 0
    ground.publish(*node.ship(most=3))
    wait_for(lambda: arrived(ground, node), 20, "the batches")
    assert twice(ground, node) == []
    assert ground.get(f"/v1/drops/{node.drop}").json()["faults"] == []


def test_a_clone_that_goes_on_from_the_same_head_is_evidence(ground: Hub, node: Node) -> None:
    """Its message begins at a head that we know, below where we are, and is whole in itself."""
    clone = node.clone()
    node.sell(2)
    clone.sell(2, buyer=500)
    ground.publish(*node.ship(), *clone.ship())
    wait_for(lambda: twice(ground, node) == [0], 5, "the equivocation")
    (told,) = ground.get(f"/v1/drops/{node.drop}").json()["equivocations"]
    assert {told["first"]["batch"]["root"], told["second"]["batch"]["root"]} == {
        "0x" + one.state.batches[0].header.root.hex() for one in (node, clone)
    }
    assert "two chains" in ground.get(f"/v1/drops/{node.drop}").json()["faults"][0]["reason"]


def test_a_clone_that_asks_where_to_go_on_is_evidence_too(ground: Hub, node: Node) -> None:
    """It published behind the last message of the other, so its chain continues no head that we know."""
    clone = node.clone()
    node.sell(1)
    ground.publish(*node.ship())
    wait_for(lambda: arrived(ground, node), 20, "the batch")
    for _ in range(3):
        clone.sell(1, buyer=700)
    clone.shipped = len(node.frames)
    ground.publish(*clone.ship(most=1))  # header and signature in messages of their own
    node.sell(1)
    ground.publish(*node.ship())  # nothing of this grant is believed any more, but it is still looked at
    wait_for(lambda: twice(ground, node) == [1], 5, "the equivocation")


def test_a_clone_far_ahead_is_evidence(ground: Hub, node: Node) -> None:
    """Its message leaves a gap, which may never close."""
    clone = node.clone()
    clone.sell(9, buyer=900)
    clone.shipped = len(node.frames) + 5
    node.sell(1)
    ground.publish(*node.ship(), *clone.ship())
    wait_for(lambda: twice(ground, node) == [0], 5, "the equivocation")


def test_evidence_in_two_messages_outlives_a_kill_between_them(ground: Hub, node: Node) -> None:
    clone = node.clone()
    clone.sell(2, buyer=300, signed=False)
    node.sell(2)
    ground.publish(*node.ship(), *clone.ship())
    wait_for(lambda: bool(ground.get(f"/v1/drops/{node.drop}").json()["faults"]), 20, "the quarantine")
    ground.kill("ledger")
    assert twice(ground, node) == []
    clone.sign(0)
    ground.publish(*clone.ship())
    ground.start("ledger")
    wait_for(lambda: twice(ground, node) == [0], 5, "the equivocation")


def test_a_strangers_batch_is_no_evidence(ground: Hub, node: Node) -> None:
    """Whoever may publish can put a journal in quarantine; freeze a grant he can't, without its key."""
    stranger = node.clone()
    node.sell(1)
    stranger.key = PrivateKey(b"\x09" * 32)
    stranger.sell(1, buyer=100)
    ground.publish(*node.ship(), *stranger.ship())
    wait_for(lambda: bool(ground.get(f"/v1/drops/{node.drop}").json()["faults"]), 20, "the quarantine")
    assert twice(ground, node) == []


def ask(ground: Hub, node: Node, question: bytes, name: str = "quay-spare1") -> bytes:
    """The hub's answer."""

    async def request(client: Client) -> bytes:
        return bytes((await client.request(witness.subject(node.drop, name), question, timeout=5)).data)

    return ground.ask(request)


def test_the_hub_vouches_for_what_it_holds(ground: Hub, node: Node) -> None:
    public = dsse.public_pem(ground.witness)
    for batches in (0, 2):
        for _ in range(batches):
            node.sell(1)
        ground.publish(*node.ship())
        wait_for(lambda: arrived(ground, node), 20, "the journal")
        told = witness.verify(ask(ground, node, witness.ask(node.grant_id, NONCE)), public, node.grant_id, NONCE)
        assert (told.journal_seq, told.next_batch) == (len(node.frames), batches)
        assert told.head == "0x" + node.state.head.hex()


def test_the_hub_vouches_for_no_other_node_and_for_no_forked_journal(ground: Hub, node: Node) -> None:
    public = dsse.public_pem(ground.witness)
    question = witness.ask(node.grant_id, NONCE)
    with pytest.raises(NotVerified, match="unknown"):
        witness.verify(ask(ground, node, question, "quay-spare2"), public, node.grant_id, NONCE)
    with pytest.raises(NotVerified, match="bad_question"):
        witness.verify(ask(ground, node, b"{}"), public, node.grant_id, NONCE)
    clone = node.clone()
    node.sell(1)
    clone.sell(2)
    ground.publish(*node.ship(), *clone.ship())
    wait_for(lambda: bool(ground.get(f"/v1/drops/{node.drop}").json()["faults"]), 20, "the quarantine")
    with pytest.raises(NotVerified, match="quarantined"):
        witness.verify(ask(ground, node, question), public, node.grant_id, NONCE)


@pytest.fixture
def leaf(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The hub's bus and a node's leaf, with the configurations as the lab and a node have them; their addresses."""
    with leaf_bus(tmp_path, "secret") as urls:
        yield urls


async def test_a_node_reaches_the_witness_through_its_leaf(leaf: tuple[str, str]) -> None:
    """And nothing else is opened to it by that."""
    hub_url, own_url = leaf
    answerer = await nats.connect(hub_url, user=HUB_USER, password="secret")

    async def answer(message: Msg) -> None:
        await message.respond(message.subject.encode())

    for subject in ("witness.>", "commands.>"):
        await answerer.subscribe(subject, cb=answer)
    client = await nats.connect(own_url)
    assert await reach(client, "witness.lights.quay-spare1") == b"witness.lights.quay-spare1"
    with pytest.raises((nats.errors.TimeoutError, nats.errors.NoRespondersError)):
        await client.request("commands.lights", b"", timeout=1)
    await client.close()
    await answerer.close()


async def reach(client: Client, subject: str) -> bytes:
    """Asked until the leaf has dialled."""
    for _ in range(50):
        try:
            return bytes((await client.request(subject, b"", timeout=1)).data)
        except (nats.errors.TimeoutError, nats.errors.NoRespondersError):
            continue
    raise AssertionError("the leaf does not reach the hub")


def test_the_audit_trail_arrives_once_and_as_the_owner_signed_it(ground: Hub) -> None:
    entries = [trail.Entry(at, "", "2026-11-26T01:20:00", "ada@desk", "drain", "d", (), "", "begun") for at in (0, 1)]
    lines = [trail.sign(entry, ground.owner) for entry in entries]
    forged = trail.sign(entries[0], dsse.new_private_pem())
    ground.publish(*((trail.SUBJECT, line, {}) for line in (lines[1], forged, lines[0], lines[1])))
    wanted = [trail.digest(line) for line in lines]
    wait_for(lambda: ground.get("/v1/audit").json()["digests"] == wanted, 20, "both lines, oldest first")
