"""A node's HSM goes out and the hub signs for it: real processes, TLS, tokens and bus, all on loopback."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import msgspec
import nats
import pytest

from infra import certificates
from infra.home import cache
from node_image.bus.config import HUB_USER, hub_config
from node_image.hub.ledger.streams import ensure
from node_image.peers import PeerClient, client_context
from node_image.protocol import eip712, lease, voucher
from node_image.protocol import facts as drop_facts
from node_image.protocol.journal import Kind, scan
from node_image.protocol.rules import Claim
from node_image.signer.client import SignerAway, SignerClient, SignerRefused
from tests.drop_on_disk import FAR, SOFTHSM, Drop, make_drop, softhsm_missing

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(bool(softhsm_missing()), reason=softhsm_missing())]
NODE = "quay-appliance1"
CLOUD_START, CLOUD_QUOTA = 5000, 40
BURST = 12


@dataclass(slots=True)
class World:
    """A hub's bus and cloud signer, and a node with signer and mint."""

    folder: Path
    drop: Drop
    bus: str
    cloud: tuple[str, int]
    mint: str
    cloud_key: str = ""
    cloud_environment: dict[str, str] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def client(self, name: str) -> PeerClient:
        """A peer with the certificate of this name."""
        return PeerClient(*self.cloud, client_context(self.folder / f"{name}.pem", self.folder / "authority.pem"))

    def ask(self, name: str, op: str, **fields: object) -> dict[str, Any]:
        """One question to the cloud signer."""
        return asyncio.run(self.client(name).ask(op, **fields))

    def post(self, claim: Claim) -> httpx.Response:
        """As a buyer claims."""
        told = {"claim_id": claim.claim_id, "tier": "print", "to": "0x" + claim.to.hex(), "slot": claim.slot}
        body = told | {"signature": "0x" + claim.signature.hex()}
        return httpx.post(f"{self.mint}/v1/claims", json=body, timeout=20, trust_env=False)

    def get(self, path: str) -> httpx.Response:
        """From the mint."""
        return httpx.get(self.mint + path, timeout=20, trust_env=False)

    @contextmanager
    def hsm_out(self) -> Iterator[None]:
        """The node's token is pulled; after it the signer is waited for."""
        tokens, away = self.drop.folder / "tokens", self.drop.folder / "away"
        tokens.rename(away)
        try:
            yield
        finally:
            away.rename(tokens)
            wait_for(lambda: self.get("/v1/status").json()["ready"])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """All of it up, the cloud grant told by the owner and its lease on the bus."""
    folder = tmp_path_factory.mktemp("cloud")
    patch = pytest.MonkeyPatch()
    patch.setenv("EDGEDROP_HOME", str(folder / "home"))
    ports = free_ports(5)
    drop = make_drop(folder / "d")
    made = World(folder, drop, f"nats://127.0.0.1:{ports[0]}", ("127.0.0.1", ports[2]), f"http://127.0.0.1:{ports[4]}")
    write_certificates(made)
    stack = ExitStack()
    try:
        start(made, ports)
        asyncio.run(open_streams(made))
        stack.enter_context(drop.witness.on_the_bus("lights", made.bus, HUB_USER, "bus-secret"))
        made.cloud_key = enrol(made)
        key = str(drop.ask("address")["key"])
        asyncio.run(SignerClient(drop.socket).ask("lease", envelope=drop.lease(key)))
        drop.vouch()
        wait_for(lambda: made.get("/readyz").status_code == 200)
        yield made
    finally:
        stack.close()
        for process in made.processes.values():
            process.kill()
            process.wait()
        patch.undo()


def write_certificates(world: World) -> None:
    """The hub's, the node's, the control side's, and a node's of another drop."""
    pems = {
        "authority": certificates.authority_pem(),
        "hub": certificates.hub_pem("127.0.0.1"),
        "node": certificates.node_pem("lights", NODE),
        "control": certificates.control_pem(),
        "other": certificates.node_pem("other", NODE),
    }
    for name, pem in pems.items():
        (world.folder / f"{name}.pem").write_bytes(pem)
    (world.folder / "owner.pem").write_bytes(world.drop.facts.owner_public_key.encode())
    (world.folder / "bus.secret").write_text("bus-secret")


def start(world: World, ports: list[int]) -> None:
    """Bus, cloud signer, node's signer, mint."""
    folder, run = world.folder, [sys.executable, "-m"]
    config = hub_config("bus-secret").replace("0.0.0.0:4222", f"127.0.0.1:{ports[0]}")
    config = config.replace("127.0.0.1:8222", "127.0.0.1:-1").replace("/var/lib/nats", str(folder / "nats"))
    (folder / "nats.conf").write_text(config.replace("0.0.0.0:7422", f"127.0.0.1:{ports[1]}"))
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\n")
    cloud = {
        "SOFTHSM2_CONF": str(folder / "softhsm2.conf"),
        "EDGEDROP_BUS_URL": world.bus,
        "EDGEDROP_BUS_SECRET_FILE": str(folder / "bus.secret"),
        "EDGEDROP_OWNER_PUBLIC_KEY_FILE": str(folder / "owner.pem"),
        "EDGEDROP_TLS_FILE": str(folder / "hub.pem"),
        "EDGEDROP_AUTHORITY_FILE": str(folder / "authority.pem"),
        "EDGEDROP_KEYSTORE": f"pkcs11:?module={SOFTHSM}&token=cloud&pin-file={folder}/pin",
        "EDGEDROP_STATE_DIR": str(folder / "state"),
        "EDGEDROP_SOCKET_DIR": str(folder / "run"),
        "EDGEDROP_HOST": "127.0.0.1",
        "EDGEDROP_PORT": str(ports[2]),
        "EDGEDROP_HEALTH_PORT": str(ports[3]),
        "EDGEDROP_RATE_PER_SECOND": "0.2",
        "EDGEDROP_RATE_BURST": str(BURST),
    }
    mint = {
        "EDGEDROP_HOST": "127.0.0.1",
        "EDGEDROP_PORT": str(ports[4]),
        "EDGEDROP_TLS_FILE": str(folder / "node.pem"),
        "EDGEDROP_AUTHORITY_FILE": str(folder / "authority.pem"),
    }
    facts = msgspec.structs.replace(world.drop.facts, cloud_signer=f"127.0.0.1:{ports[2]}")
    (world.drop.folder / "drop" / "drop.json").write_bytes(msgspec.json.encode(facts))
    command = [str(cache() / "bin" / "nats-server"), "-c", str(folder / "nats.conf")]
    world.processes["bus"] = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    wait_for(lambda: connects(ports[0]))
    node = world.drop.environment()
    world.cloud_environment = os.environ | cloud
    start_cloud(world)
    world.processes["signer"] = world.drop.signer()
    world.processes["mint"] = subprocess.Popen([*run, "node_image.mint"], env=node | mint)
    wait_for(lambda: connects(ports[2]) and connects(ports[4]))


def start_cloud(world: World) -> None:
    """The cloud signer; again after it was stopped."""
    command = [sys.executable, "-m", "node_image.hub.cloud_signer"]
    world.processes["cloud"] = subprocess.Popen(command, env=world.cloud_environment)


async def open_streams(world: World) -> None:
    """As the ledger does it."""
    client = await nats.connect(world.bus, user=HUB_USER, password="bus-secret")
    await ensure(client.jetstream())
    await client.close()


def enrol(world: World) -> str:
    """The owner tells of the cloud grant, is told its key, and says its lease on the bus."""
    name = NODE + "-cloud"
    grant = "0x" + eip712.grant_id("lights", name, 1).hex()
    facts = msgspec.structs.replace(world.drop.facts, node=name, grant_id=grant)
    envelope = drop_facts.sign(facts, world.drop.owner)
    key = wait_for(lambda: world.ask("control", "grant", envelope=envelope)["key"])
    leases = (lease.Lease(0, CLOUD_START, CLOUD_QUOTA, 0, FAR),)
    document = lease.LeaseDocument(1, "lights", name, 1, grant, key, leases)

    async def tell() -> None:
        client = await nats.connect(world.bus, user=HUB_USER, password="bus-secret")
        await client.jetstream().publish(f"lease.lights.{name}", lease.sign(document, world.drop.owner))
        await client.close()

    asyncio.run(tell())
    wait_for(lambda: world.ask("node", "status")["ready"])
    return str(key)


def wait_for[T](look: Callable[[], T], seconds: float = 60) -> T:
    """Until it is there; a refusal or a silence is not yet."""
    deadline, last = time.monotonic() + seconds, ""
    while time.monotonic() < deadline:
        try:
            if found := look():
                return found
        except (SignerAway, SignerRefused, httpx.HTTPError, OSError) as fault:
            last = repr(fault)
        time.sleep(0.1)  # the pace of asking
    raise AssertionError(last or "it never came")


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def connects(port: int) -> bool:
    """Somebody listens."""
    socket.create_connection(("127.0.0.1", port), 1).close()
    return True


def test_while_its_hsm_works_a_node_signs_itself(world: World) -> None:
    answer = world.post(world.drop.claim("own"))
    assert answer.status_code == 201
    assert answer.json()["node"] == NODE


def test_while_it_is_out_the_hub_signs_from_its_own_lease_and_the_journal_reaches_the_bus(world: World) -> None:
    claim = world.drop.claim("out")
    with world.hsm_out():
        first = world.post(claim)
        again = world.post(claim)
        found = world.get("/v1/claims/out")
        receipt = world.get("/v1/receipts/out")
        # The own signer met the outage with the claim above; this one it refuses before it takes a seq.
        world.post(world.drop.claim("out too")).raise_for_status()
        alone = world.get("/v1/receipts/out too").json()
        ready = wait_for(lambda: world.get("/readyz").json()["ready"])
    assert (first.status_code, again.status_code, ready) == (201, 200, True)
    assert first.json() == again.json() == found.json()
    assert first.json()["node"] == NODE + "-cloud"
    assert first.json()["token_id"] == str(CLOUD_START)
    voucher.verify(msgspec.convert(first.json(), voucher.Voucher), world.cloud_key)
    assert receipt.json()["path"].startswith(f"lights/{NODE}-cloud/1/")
    assert receipt.json()["lease"]["start"] == CLOUD_START
    assert alone["path"].startswith(f"lights/{NODE}-cloud/1/")
    assert world.get("/v1/receipts/out too").json() == alone, "also when the HSM is back"
    assert world.post(world.drop.claim("back")).json()["node"] == NODE

    async def claims_on_the_bus() -> list[str]:
        client = await nats.connect(world.bus, user=HUB_USER, password="bus-secret")
        told = await client.jetstream().subscribe(f"journal.lights.{NODE}-cloud.1", ordered_consumer=True)
        data, found = b"", list[str]()
        while not found:
            data += (await told.next_msg(20)).data
            found = [str(frame.payload["claim_id"]) for frame in scan(data).frames if frame.kind is Kind.CLAIM]
        await client.close()
        return found

    assert asyncio.run(claims_on_the_bus())[0] == "out"


def test_answered_by_both_it_is_one_nullifier(world: World) -> None:
    claim = world.drop.claim("both")
    with world.hsm_out():
        cloud = world.post(claim).json()
    own = world.post(claim).json()
    assert (cloud["node"], own["node"]) == (NODE + "-cloud", NODE)
    names = ("tier", "to", "claimKey", "slot")
    assert [cloud["voucher"][name] for name in names] == [own["voucher"][name] for name in names]


def test_a_bad_claim_is_the_buyers_answer_from_the_hub_too(world: World) -> None:
    good = world.drop.claim("bad")
    with world.hsm_out():
        assert world.post(world.drop.claim("notice")).status_code == 201
        answer = world.post(Claim(good.claim_id, good.tier, good.to, good.slot, bytes(65)))
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_claim")


def test_a_node_that_asks_too_often_is_told_so_and_others_are_not_slowed(world: World) -> None:
    codes = []
    for number in range(BURST + 2):
        try:
            world.ask("node", "find", claim_id=f"nobody{number}")
        except SignerRefused as refusal:
            codes.append((refusal.code, refusal.retry_after_s))
    assert codes[-1][0] == "quota"
    assert codes[-1][1]
    assert 0 < codes[-1][1] <= 5
    with pytest.raises(SignerRefused) as other:
        world.ask("other", "find", claim_id="nobody")
    assert other.value.code == "not_ready", "another node's bucket is its own"
    with world.hsm_out():
        answers = [world.post(world.drop.claim(f"too often {number}")) for number in range(4)]
        refused = [answer for answer in answers if answer.status_code == 503]
        assert refused, "a token comes every five seconds"
        assert {answer.json()["error"]["code"] for answer in refused} == {"stopped"}
        assert all(answer.headers["Retry-After"] for answer in refused)


def test_a_node_reaches_its_own_grant_alone(world: World) -> None:
    for op, fields in (("status", {}), ("find", {"claim_id": "out"})):
        with pytest.raises(SignerRefused, match="holds no grant for"):
            world.ask("other", op, **fields)
    for op in ("lease", "tail"):
        with pytest.raises(SignerRefused, match="no such operation"):
            world.ask("node", op, envelope=b"", after=0)


def test_a_grant_that_the_owner_did_not_sign_is_refused(world: World) -> None:
    stranger = make_drop(world.folder / "stranger")
    facts = msgspec.structs.replace(stranger.facts, node=NODE + "-cloud")
    with pytest.raises(SignerRefused, match="not signed by the owner"):
        world.ask("control", "grant", envelope=drop_facts.sign(facts, stranger.owner))
    own = drop_facts.sign(world.drop.facts, world.drop.owner)
    with pytest.raises(SignerRefused, match="not of quay-appliance1"):
        world.ask("control", "grant", envelope=own)


def test_a_grant_is_closed_at_the_owners_word_alone(world: World) -> None:
    stranger = make_drop(world.folder / "closer")
    with pytest.raises(SignerRefused, match="not signed"):
        world.ask("control", "close", envelope=stranger.close())
    with pytest.raises(SignerRefused, match="holds no such grant"):
        world.ask("control", "close", envelope=world.drop.close())
    assert world.ask("node", "status")["ready"], "neither closed anything"


def test_without_a_certificate_of_ours_nobody_is_let_in(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEDROP_HOME", str(world.folder / "elsewhere"))
    (world.folder / "fake.pem").write_bytes(certificates.node_pem("lights", NODE))
    with pytest.raises(SignerAway):
        world.ask("fake", "status")
    with pytest.raises(SignerAway):
        world.ask("hub", "status")  # a server's certificate is no client's
    bare = ssl.create_default_context(cafile=str(world.folder / "authority.pem"))
    with connected(world, bare) as line, suppress(OSError):  # the alert, or the end, whichever is read first
        line.sendall(b"\x00\x00\x00\x01\x80")
        assert line.recv(1) == b""
    old = client_context(world.folder / "node.pem", world.folder / "authority.pem")
    old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError), connected(world, old):
        pass


@contextmanager
def connected(world: World, context: ssl.SSLContext) -> Iterator[ssl.SSLSocket]:
    """A handshake with the cloud signer as this context has it."""
    plain = socket.create_connection(world.cloud, 5)
    with context.wrap_socket(plain, server_hostname=world.cloud[0]) as line:
        yield line


def test_a_node_cannot_stand_in_for_the_hub(world: World) -> None:
    """A node's certificate is of our authority, but no server's."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(world.folder / "node.pem")

    async def asked() -> None:
        async with await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0, ssl=server) as listening:
            port = listening.sockets[0].getsockname()[1]
            context = client_context(world.folder / "node.pem", world.folder / "authority.pem")
            await PeerClient("127.0.0.1", port, context).ask("status")

    with pytest.raises(SignerAway):
        asyncio.run(asked())


def test_with_no_uplink_a_buyer_is_told_stopped_in_a_bounded_time_and_then_at_once(world: World) -> None:
    with world.hsm_out():
        world.processes["cloud"].send_signal(signal.SIGSTOP)
        try:
            begun = time.monotonic()
            first = world.post(world.drop.claim("cut"))
            spent = time.monotonic() - begun
            begun = time.monotonic()
            second = world.post(world.drop.claim("cut too"))
            at_once = time.monotonic() - begun
        finally:
            world.processes["cloud"].send_signal(signal.SIGCONT)
    assert [answer.json()["error"]["code"] for answer in (first, second)] == ["stopped", "stopped"]
    assert spent < 8
    assert at_once < 2


def test_after_a_restart_it_holds_its_grants_and_their_claims(world: World) -> None:
    world.processes["cloud"].terminate()
    world.processes["cloud"].wait(30)
    start_cloud(world)
    told = wait_for(lambda: world.ask("node", "status"))
    wait_for(lambda: world.ask("node", "status")["ready"])
    assert told["grant_id"] == "0x" + eip712.grant_id("lights", NODE + "-cloud", 1).hex()
    assert world.ask("node", "find", claim_id="out")["token_id"] == str(CLOUD_START)
