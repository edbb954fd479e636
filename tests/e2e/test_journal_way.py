"""The way of a claim from the signer's journal to the ledger: HSM, courier, a leaf of the lab's bus, PostgreSQL."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import nats
import pytest
from eth_account import Account

from infra.home import cache
from infra.plan.contract import ARTIFACT
from infra.plan.model import HubAddresses, Roles, Split, Tier
from node_image.bus.config import HUB_USER, leaf_config
from node_image.hub.chain import Chain
from node_image.protocol import announcement, create2
from node_image.protocol.acts import Holder
from node_image.protocol.lease import Lease
from node_image.signer.client import SignerClient
from tests.a_witness import Witness
from tests.accounts import HOLDERS
from tests.drop_on_disk import FAR, Drop, make_drop, softhsm_missing
from tests.e2e.hub_world import free_port
from tests.e2e.standing import Standing, docker, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(bool(softhsm_missing()), reason=softhsm_missing())]


@pytest.fixture(scope="module")
def contract(standing: Standing, hub: HubAddresses) -> str:
    """The drop's contract, deployed on the lab's chain; operator, relayer and anchorer have funds."""
    keys = standing.home / "keys"
    operator, relayer, anchorer = ((keys / f"{name}.key").read_text() for name in ("operator", "relayer", "hub"))
    chain = Chain(f"http://{hub.chain}:8545")
    for key in (operator, relayer, anchorer):
        chain.fund(Account.from_key(key).address)
    role = Account.from_key(operator).address
    tier = Tier(0, "print", "Print", 50, 0, 100, 0, 2, 0, None, (Split(role, 10_000),), max_lease=50)
    code = create2.constructor_init_code(
        ARTIFACT.read_bytes(),
        name="Lights",
        symbol="LIGHTS",
        base_uri="",
        manifest_digest="0x" + "ab" * 32,
        roles=Roles(
            role, role, Account.from_key(anchorer).address, tuple(Holder(one) for one in sorted(HOLDERS)), role, 0
        ),
        tiers=[tier],
    )
    return chain.deploy(operator, create2.salt("lights", "0x" + "ab" * 32), code)


@pytest.fixture(scope="module")
def node(
    standing: Standing, hub: HubAddresses, contract: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Drop]:
    """A signer, a leaf and a courier as they run on a node; the owner is the lab's."""
    owner = (standing.home / "keys" / "owner.pem").read_bytes()
    hubs_own = Witness((standing.home / "keys" / "witness.pem").read_bytes())
    drop = make_drop(tmp_path_factory.mktemp("node") / "d", owner=owner, contract=contract, witness=hubs_own)
    port = free_port()
    config = drop.folder / "nats.conf"
    text = leaf_config(hub.bus, (standing.home / "keys" / "bus.secret").read_text())
    config.write_text(text.replace("127.0.0.1:4222", f"127.0.0.1:{port}").replace("127.0.0.1:8222", "127.0.0.1:-1"))
    environment = drop.environment() | {"EDGEDROP_BUS_URL": f"nats://127.0.0.1:{port}"}
    processes = [
        drop.signer(),
        subprocess.Popen([cache() / "bin" / "nats-server", "-c", config], stderr=subprocess.DEVNULL),
        subprocess.Popen([sys.executable, "-m", "node_image.bus.courier"], env=environment),
    ]
    try:
        yield drop
    finally:
        for process in processes:
            process.kill()
            process.wait()


async def announce(standing: Standing, hub: HubAddresses, drop: Drop, key: str, quota: int) -> None:
    """Tell the hub of drop and grant, and the node of its lease, as the stack does it."""
    facts = drop.facts
    told = announcement.DropAnnouncement(
        1,
        facts.drop,
        facts.title,
        facts.chain_id,
        facts.contract,
        facts.manifest_digest,
        facts.opens_at,
        facts.closes_at,
        facts.redeem_by,
        facts.tiers,
    )
    leases = (Lease(0, 100, quota, 0, FAR),)
    grant = announcement.GrantAnnouncement(1, facts.drop, facts.node, facts.geo, 1, facts.grant_id, key, leases)
    operator = (standing.home / "keys" / "operator.key").read_text()
    opened = [{name: getattr(lease, name) for name in lease.__struct_fields__} for lease in leases]
    Chain(f"http://{hub.chain}:8545").open_grant(operator, facts.contract, facts.grant_id, key, opened)
    secret = (standing.home / "keys" / "bus.secret").read_text()
    client = await nats.connect(f"nats://{hub.bus}:4222", user=HUB_USER, password=secret)
    stream = client.jetstream()
    await stream.publish(f"drop.{facts.drop}", announcement.sign(told, drop.owner))
    await stream.publish(f"drop.{facts.drop}.grant.{facts.node}", announcement.sign(grant, drop.owner))
    await stream.publish(f"lease.{facts.drop}.{facts.node}", drop.lease(key, quota=quota))
    await client.close()


def ledger(hub: HubAddresses) -> dict[str, Any]:
    """What the ledger says of the drop; its one grant's counts on top."""
    answer = httpx.get(f"http://{hub.ledger}:8080/v1/drops/lights", timeout=5)
    if answer.status_code != httpx.codes.OK:
        return {"token_ids": [], "faults": []}
    found: dict[str, Any] = answer.json()
    return found


def claim_some(drop: Drop, names: list[str]) -> set[str]:
    """Claims through the signer's socket; the token ids of the answers."""

    async def run() -> set[str]:
        client = SignerClient(drop.socket)
        found = set()
        for name in names:
            asked = drop.claim(name)
            fields = {"claim_id": asked.claim_id, "tier": 0, "to": asked.to, "slot": 0, "signature": asked.signature}
            found.add(str((await client.ask("claim", **fields))["voucher"]["token_id"]))
        return found

    return asyncio.run(run())


def test_every_answered_claim_is_in_the_ledger(standing: Standing, hub: HubAddresses, node: Drop) -> None:
    key = str(node.ask("address")["key"])
    asyncio.run(announce(standing, hub, node, key, quota=50))
    wait_for(lambda: bool(node.ask("status")["ready"]), 20, "the lease at the signer")
    tokens = claim_some(node, [f"a{number}" for number in range(10)])
    wait_for(lambda: set(ledger(hub)["token_ids"]) == tokens, 20, "the journal at the ledger")
    assert ledger(hub)["faults"] == []


def test_what_is_claimed_while_cut_off_arrives_after(standing: Standing, hub: HubAddresses, node: Drop) -> None:
    before = set(ledger(hub)["token_ids"])
    docker("network", "disconnect", f"{standing.lab}-hub", f"{standing.lab}-bus")
    try:
        tokens = claim_some(node, [f"b{number}" for number in range(10)])
        assert set(ledger(hub)["token_ids"]) == before
    finally:
        docker("network", "connect", "--ip", hub.bus, f"{standing.lab}-hub", f"{standing.lab}-bus")
    wait_for(lambda: set(ledger(hub)["token_ids"]) == before | tokens, 60, "the journal after the cut")


def test_a_restarted_ledger_goes_on_where_it_stood(standing: Standing, hub: HubAddresses, node: Drop) -> None:
    before = set(ledger(hub)["token_ids"])
    docker("kill", f"{standing.lab}-ledger")
    tokens = claim_some(node, [f"c{number}" for number in range(5)])
    docker("start", f"{standing.lab}-ledger")
    wait_for(lambda: answers(hub) and set(ledger(hub)["token_ids"]) == before | tokens, 60, "the ledger after its kill")
    seq = node.ask("status")["durable_seq"]
    wait_for(lambda: ledger(hub)["grants"][0]["journal_seq"] == seq, 20, "journal = ledger, frame for frame")


def test_free_vouchers_are_redeemed_and_journal_ledger_and_chain_agree(hub: HubAddresses, node: Drop) -> None:
    chain = Chain(f"http://{hub.chain}:8545")

    def settled() -> bool:
        told = ledger(hub)
        on_chain = {str(token) for token in chain.minted_token_ids(node.facts.contract)}
        return bool(on_chain) and set(told["token_ids"]) == set(told["redeemed_ids"]) == on_chain

    wait_for(settled, 60, "journal = ledger = chain")
    issued = node.ask("status")["issued"]
    assert issued == {"0": len(ledger(hub)["token_ids"])}


def test_the_first_batch_is_anchored(hub: HubAddresses, node: Drop) -> None:
    place = f"http://{hub.ledger}:8080/v1/anchors/{node.facts.grant_id}/0"
    wait_for(lambda: httpx.get(place, timeout=5).is_success, 90, "its anchor")
    root = bytes.fromhex(httpx.get(place, timeout=5).json()["root"][2:])
    assert Chain(f"http://{hub.chain}:8545").issued_root(node.facts.contract, node.facts.grant_id, root)


def test_a_relayer_that_was_off_goes_on_and_redeems_once(hub: HubAddresses, node: Drop, standing: Standing) -> None:
    chain = Chain(f"http://{hub.chain}:8545")
    before = len(chain.minted_token_ids(node.facts.contract))
    docker("stop", f"{standing.lab}-relayer")
    (token,) = claim_some(node, ["later"])
    wait_for(lambda: token in ledger(hub)["token_ids"], 20, "the claim at the ledger")
    docker("start", f"{standing.lab}-relayer")
    wait_for(lambda: token in ledger(hub)["redeemed_ids"], 60, "its redemption after the relayer's restart")
    assert len(chain.minted_token_ids(node.facts.contract)) == before + 1


def answers(hub: HubAddresses) -> bool:
    """Whether the ledger is there."""
    try:
        return httpx.get(f"http://{hub.ledger}:8080/livez", timeout=2).is_success
    except httpx.HTTPError:
        return False


def test_its_environment_names_no_secret(standing: Standing) -> None:
    secrets = [(standing.home / "keys" / name).read_text() for name in ("bus.secret", "db.secret")]
    told = docker("inspect", "-f", "{{.Config.Env}} {{.Args}}", f"{standing.lab}-ledger")
    assert not any(secret in told for secret in secrets)
    assert "/run/secrets/bus" in told
