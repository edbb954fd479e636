"""Who asks, how often, and for which grant: decided without a network."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest
from nats.aio.client import Client

from node_image.hub.cloud_signer.grants import Grants, Held, Places
from node_image.hub.cloud_signer.server import CLAIM, RECEIVE, CloudServer, RateLimit
from node_image.peers import Peer, peer_of
from node_image.protocol import dsse, facts
from node_image.protocol.errors import NotVerified
from node_image.signer.client import SignerClient
from node_image.signer.keystores.quota import SECOND, Quota
from tests.unit.protocol.world import FACTS

OWNER = dsse.new_private_pem()
OWNED = msgspec.structs.replace(FACTS, owner_public_key=dsse.public_pem(OWNER).decode())


def subject(*named: tuple[str, str]) -> dict[str, object]:
    """A certificate as `ssl` gives it."""
    return {"subject": tuple(((key, value),) for key, value in named)}


def test_a_peer_is_one_drop_and_one_node() -> None:
    found = peer_of(subject(("organizationName", "lights"), ("commonName", "quay-appliance1")))
    assert found == Peer("lights", "quay-appliance1")
    assert found.cloud_node == "quay-appliance1-cloud"


@pytest.mark.parametrize(
    "certificate",
    [
        {},
        subject(("commonName", "quay-appliance1")),
        subject(("organizationName", "lights")),
        subject(("organizationName", "lights"), ("commonName", "a"), ("commonName", "b")),
        subject(("organizationName", "lights"), ("organizationName", "other"), ("commonName", "a")),
    ],
)
def test_a_certificate_that_names_none_or_two_is_nobodys(certificate: dict[str, object]) -> None:
    assert peer_of(certificate) is None


def test_each_node_has_its_own_rate() -> None:
    now = [0]
    limit = RateLimit(Quota.of(2, 3), lambda: now[0])
    one, other = Peer("lights", "one"), Peer("other", "one")
    assert [limit.take(one) for _ in range(4)] == [0, 0, 0, 0.5]
    assert limit.take(other) == 0
    now[0] = SECOND // 2
    assert [limit.take(one) for _ in range(2)] == [0, 0.5]


@pytest.mark.parametrize(
    ("op", "fields"), [("claim", CLAIM), ("claim", (*CLAIM, "claim_key")), ("receive", RECEIVE)], ids=str
)
def test_what_is_asked_reaches_the_signer_as_it_came_and_nothing_else_does(op: str, fields: tuple[str, ...]) -> None:
    heard: list[dict[str, object]] = []

    class Hears(SignerClient):
        async def ask(self, op: str, **fields: object) -> dict[str, object]:
            heard.append({"op": op} | fields)
            return {}

    class Holds(Grants):
        def __init__(self) -> None:
            """None of its parts is asked."""

        def of(self, _peer: Peer) -> Held:
            return Held(FACTS, Hears(Path()))

    asked = {name: name for name in fields}
    server = CloudServer(Holds(), RateLimit(Quota.of(2, 3)))
    assert asyncio.run(server.answer(Peer("lights", "one"), {"id": 1, "op": op, "more": 1, **asked})) == {"ok": {}}
    assert heard == [{"op": op} | asked]


def test_facts_are_the_owners_who_signed_them() -> None:
    assert facts.verify(facts.sign(OWNED, OWNER), dsse.public_pem(OWNER)) == OWNED
    stranger = dsse.new_private_pem()
    with pytest.raises(NotVerified, match="not signed"):
        facts.verify(facts.sign(OWNED, stranger), dsse.public_pem(OWNER))
    with pytest.raises(NotVerified, match="another owner"):
        facts.verify(facts.sign(FACTS, OWNER), dsse.public_pem(OWNER))
    with pytest.raises(NotVerified, match="schema"):
        facts.verify(dsse.sign(facts.PAYLOAD_TYPE, b'{"schema": 1}', OWNER), dsse.public_pem(OWNER))


def test_a_grant_of_a_node_itself_is_not_the_clouds(tmp_path: Path) -> None:
    async def add() -> None:
        places = Places(tmp_path, tmp_path, tmp_path)
        Grants(places, dsse.public_pem(OWNER), f"file:?folder={tmp_path}/keys", Client()).add(facts.sign(OWNED, OWNER))

    with pytest.raises(NotVerified, match="not of quay-appliance1"):
        asyncio.run(add())
    assert not list(tmp_path.iterdir())
