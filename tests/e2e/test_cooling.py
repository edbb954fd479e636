"""Heat before a real HAProxy: a fake sensor tree, the agent, a mint with its signer, and a spare that takes over.

The same in a box, with the containers as a node has them, is in test_playbooks.py.
"""

from __future__ import annotations

import asyncio
import csv
import io
import random
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import msgspec
import nats
import pytest
from nats.aio.client import Client

from node_image.bus.config import HUB_USER
from node_image.bus.cooling import subject, tell_cooling
from node_image.cooling import told
from node_image.cooling.curve import FULL
from node_image.front.config import FrontNode, FrontOptions, pool, render
from node_image.signer.client import SignerClient
from tests.a_front import start_haproxy
from tests.drop_on_disk import Drop, make_drop, softhsm_missing
from tests.e2e.hub_world import free_port, leaf_bus, wait_for
from tests.e2e.standing import sweep
from tests.sensor_tree import COOL, DIE, DIE_NAME, INPUTS, LIMIT, MODE, PWM, ZONE, ZONE_NAME, SensorTree, make_tree

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(bool(softhsm_missing()), reason=softhsm_missing())]

APPLIANCE, SPARE = "quay-appliance1", "quay-spare1"
TINY = Path(__file__).with_name("tiny_node.py")
NOTICED_S = 10


class Heater(threading.Thread):
    """Writes the temperature of a tree five times a second, trembling as a real sensor does, until it is stopped.

    It goes to what is wanted by ten degrees a second at most.
    """

    def __init__(self, tree: SensorTree) -> None:
        super().__init__(daemon=True)
        self._tree, self._stopped = tree, threading.Event()
        self._celsius = self.wanted = COOL / 1000
        self.names: tuple[str, ...] = INPUTS

    def run(self) -> None:
        while not self._stopped.wait(0.2):
            self._celsius += max(-2.0, min(2.0, self.wanted - self._celsius))
            for name in self.names:
                self._tree.heat(int(self._celsius * 1000) + random.randrange(100), name)  # noqa: S311  a tremble

    def climb_until(self, there: Callable[[], bool], what: str) -> None:
        """Two degrees a second, as far as the hardware's own limit."""
        while not there():
            assert self.wanted < LIMIT / 1000, what
            self.wanted += 0.5
            time.sleep(0.25)  # the pace of heating

    def cool(self) -> None:
        """Back to where it began, all sensors."""
        self.wanted, self.names = COOL / 1000, INPUTS

    def stop(self) -> None:
        self._stopped.set()
        self.join()


@dataclass
class Place:
    """One appliance with all that runs on it, its front, and the addresses of each."""

    folder: Path
    drop: Drop
    tree: SensorTree
    heater: Heater
    ports: dict[str, int]
    processes: dict[str, subprocess.Popen[bytes]]

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    def kill(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()

    def agent(self) -> None:
        """Start it; a calm of a second is enough for it, so that the test is."""
        told_it = {"SENSORS_DIR": self.tree.folder, "RUN_DIR": self.drop.folder, "HOST": "127.0.0.1", "DWELL_S": 1.0}
        told_it |= {"PORT": self.ports["status"], "AGENT_PORT": self.ports["agent"], "EVERY_S": 0.5}
        self.start("agent", "node_image.cooling", **{f"EDGEDROP_{name}": str(what) for name, what in told_it.items()})

    def start(self, name: str, module: str, **told_it: str) -> None:
        command = [sys.executable, "-m", module]
        self.processes[name] = subprocess.Popen(command, env=self.drop.environment() | told_it)

    def row(self) -> dict[str, str]:
        """The appliance's in HAProxy's own statistics."""
        text = httpx.get(f"{self.url('stats')}/;csv", timeout=5).text
        rows = csv.DictReader(io.StringIO(text.removeprefix("# ")))
        return next(row for row in rows if (row["pxname"], row["svname"]) == (pool("appliance"), APPLIANCE))

    def seen(self) -> tuple[str, int]:
        """Status and weight there; HAProxy says `DRAIN (agent)` whoever drained it."""
        row = self.row()
        return row["status"].split()[0], int(row["weight"])

    def claim(self, url: str) -> httpx.Response:
        asked = self.drop.claim(uuid.uuid4().hex)
        body = {"claim_id": asked.claim_id, "tier": "print", "to": "0x" + asked.to.hex(), "slot": 0}
        return httpx.post(f"{url}/v1/claims", json=body | {"signature": "0x" + asked.signature.hex()}, timeout=5)

    def told(self) -> told.Told:
        return msgspec.json.decode(httpx.get(f"{self.url('status')}/v1/status").content, type=told.Told)

    def verdicts(self) -> dict[str, str]:
        return {one.name: one.verdict for one in self.told().sensors}

    def admin(self, command: str) -> None:
        with socket.create_connection(("127.0.0.1", self.ports["admin"]), 5) as line:
            line.sendall(f"{command}\n".encode())
            assert line.recv(1024).strip() == b""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("cooling")
    names = ("mint", "spare", "agent", "status", "claims", "stats", "admin")
    tree = make_tree(folder / "class")
    made = Place(folder, make_drop(folder / "d"), tree, Heater(tree), {name: free_port() for name in names}, {})
    run = f"cooling-{uuid.uuid4().hex[:6]}"
    with ExitStack() as stack:
        stack.callback(made.kill)
        stack.callback(sweep, run)
        made.heater.start()
        stack.callback(made.heater.stop)
        stand_up(made, run)
        yield made


def stand_up(made: Place, run: str) -> None:
    """Signer with a lease, mint, agent, spare, front."""
    ports = made.ports
    made.processes["signer"] = made.drop.signer()
    key = str(made.drop.ask("address")["key"])
    asyncio.run(SignerClient(made.drop.socket).ask("lease", envelope=made.drop.lease(key)))
    made.drop.vouch()
    made.start("mint", "node_image.mint", EDGEDROP_HOST="127.0.0.1", EDGEDROP_PORT=str(ports["mint"]))
    made.processes["spare"] = subprocess.Popen([sys.executable, TINY, str(ports["spare"]), SPARE])
    made.agent()
    nodes = (
        FrontNode(APPLIANCE, "127.0.0.1", "appliance", ports["mint"], agent_port=ports["agent"]),
        FrontNode(SPARE, "127.0.0.1", "spare", ports["spare"]),
    )
    local = f"127.0.0.1:{ports['claims']}", f"127.0.0.1:{ports['stats']}"
    options = FrontOptions(*local, str(made.folder / "admin.sock"), ports["admin"])
    (made.folder / "haproxy.cfg").write_text(render("quay", nodes, options))
    start_haproxy(made.folder, run)
    wait_for(lambda: answers(f"{made.url('mint')}/readyz"), 20, "the mint")
    wait_for(lambda: answers(f"{made.url('status')}/readyz"), 20, "the agent")
    wait_for(lambda: answers(f"{made.url('stats')}/readyz") and made.seen() == ("UP", 100), 10, "the front")


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).is_success
    except httpx.HTTPError:
        return False


class Buyers(threading.Thread):
    """Ten claims a second at the front; who answered each, and with what."""

    def __init__(self, place: Place) -> None:
        super().__init__(daemon=True)
        self._place, self._stopped = place, threading.Event()
        self.answers: list[tuple[int, str]] = []

    def run(self) -> None:
        while not self._stopped.wait(0.1):
            answer = self._place.claim(self._place.url("claims"))
            self.answers.append((answer.status_code, answer.headers["X-Edgedrop-Node"]))

    def stop(self) -> None:
        self._stopped.set()
        self.join()

    def since(self, number: int) -> set[str]:
        return {node for _, node in self.answers[number:]}


def test_a_heat_ramp_is_weight_down_drain_stop_and_return_and_no_buyer_notices(place: Place) -> None:
    buyers = Buyers(place)
    buyers.start()
    place.heater.wanted = 60
    try:
        place.heater.climb_until(lambda: place.seen() == ("UP", 50), "half the weight")
        assert place.tree.number(PWM) == FULL, "the fans came first"
        place.heater.climb_until(lambda: place.seen() == ("UP", 0), "drained")
        mark = len(buyers.answers) + 1
        wait_for(lambda: len(buyers.answers) > mark + 5, 5, "claims meanwhile")
        assert buyers.since(mark) == {SPARE}
        place.heater.climb_until(lambda: place.seen()[0] == "DOWN", "stopped")
        assert place.heater.wanted < LIMIT / 1000, "before the hardware throttles"
        refused = place.claim(place.url("mint"))
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "too_hot")
        place.heater.cool()
        wait_for(lambda: place.told().weight == 50, 20, "the return by half the weight")
        wait_for(lambda: place.seen() == ("UP", 100), 20, "the return")
        mark = len(buyers.answers) + 1
        wait_for(lambda: APPLIANCE in buyers.since(mark), 5, "the appliance's claims")
    finally:
        place.heater.cool()
        buyers.stop()
    assert {status for status, _ in buyers.answers} <= {200, 201}


def test_a_stuck_and_a_vanished_sensor_are_noticed_in_under_ten_seconds(place: Place) -> None:
    wait_for(lambda: place.told().rung == "normal" and set(place.verdicts().values()) == {"sound"}, 30, "a cool box")
    place.heater.names = tuple(name for name in INPUTS if name not in {DIE, ZONE})
    place.tree.remove(ZONE)
    begun, noticed = time.monotonic(), dict[str, float]()
    try:
        while len(noticed) < 2 and time.monotonic() - begun < 2 * NOTICED_S:
            place.heater.wanted += 0.25
            time.sleep(0.25)  # the pace of heating
            for name, verdict in place.verdicts().items():
                if verdict != "sound":
                    noticed.setdefault(f"{name} {verdict}", time.monotonic() - begun)
        assert set(noticed) == {f"{DIE_NAME} stuck", f"{ZONE_NAME} vanished"}
        assert max(noticed.values()) < NOTICED_S, noticed
        wait_for(lambda: place.tree.number(PWM) == FULL, 3, "full air")
        assert place.seen() == ("UP", 100), "another sensor is believed"
    finally:
        place.heater.cool()


def test_what_a_person_told_the_front_is_not_taken_back_by_the_agent(place: Place) -> None:
    place.admin(f"set server {pool('appliance')}/{APPLIANCE} state drain")
    try:
        place.heater.wanted = 63
        place.heater.climb_until(lambda: place.seen() == ("DRAIN", 50), "the agent is heard")
        place.heater.cool()
        wait_for(lambda: place.seen() == ("DRAIN", 100), 20, "the agent's all clear, which is no word of state")
    finally:
        place.heater.cool()
        place.admin(f"set server {pool('appliance')}/{APPLIANCE} state ready")
    wait_for(lambda: place.seen() == ("UP", 100), 5, "ready")


def test_an_agent_that_is_gone_changes_nothing_and_gives_the_fans_back(place: Place) -> None:
    place.processes["agent"].terminate()
    place.processes["agent"].wait(10)
    assert place.tree.number(MODE) == 5
    wait_for(lambda: place.row()["agent_status"] == "L4CON", 5, "an agent check that nobody answers")
    assert place.seen() == ("UP", 100)
    assert place.claim(place.url("claims")).headers["X-Edgedrop-Node"] == APPLIANCE
    place.agent()
    wait_for(lambda: answers(f"{place.url('status')}/readyz"), 20, "the agent")


def test_drained_with_nobody_else_there_it_goes_on(place: Place) -> None:
    place.processes["spare"].kill()
    place.heater.wanted = 63
    try:
        place.heater.climb_until(lambda: place.seen() == ("UP", 0), "drained")
        answer = place.claim(place.url("claims"))
        assert (answer.status_code, answer.headers["X-Edgedrop-Node"]) == (201, APPLIANCE)
    finally:
        place.heater.cool()


def test_its_word_comes_to_the_hub_at_once_where_it_is_news(tmp_path: Path) -> None:
    """Through the leaf, with what the hub lets a leaf say (node_image/bus/config.py)."""
    calm = told.Told(1, "normal", 100, "", None, 77, None, (), ())
    facts = make_drop(tmp_path / "d").facts

    async def run(hub: str, leaf: str) -> list[told.Told]:
        listener = await nats.connect(hub, user=HUB_USER, password="secret")
        client = await nats.connect(leaf)
        heard = await listener.subscribe(subject(facts.drop, facts.node))
        got: list[told.Told] = []
        await joined(listener, client)

        async def until(rung: str) -> None:
            async for message in heard.messages:
                got.append(msgspec.json.decode(message.data, type=told.Told))
                if got[-1].rung == rung:
                    return

        told.write(tmp_path / told.FILE, calm)
        teller = asyncio.create_task(tell_cooling(facts, tmp_path, client))
        await asyncio.wait_for(until("normal"), 15)
        told.write(tmp_path / told.FILE, msgspec.structs.replace(calm, rung="drain", weight=0))
        await asyncio.wait_for(until("drain"), 3)
        teller.cancel()
        await client.close()
        await listener.close()
        return got

    with leaf_bus(tmp_path, "secret") as (hub, leaf):
        wait_for(lambda: listens(hub) and listens(leaf), 10, "the bus")
        assert [one.rung for one in asyncio.run(run(hub, leaf))] == ["normal", "drain"]


async def joined(hub: Client, leaf: Client) -> None:
    """Until what is said at the leaf is heard at the hub."""
    heard = await hub.subscribe("cooling.joined")
    for _ in range(50):
        await leaf.publish("cooling.joined", b"")
        with suppress(TimeoutError):
            await heard.next_msg(0.2)
            return
    pytest.fail("the leaf did not join the hub within 10 s")


def listens(url: str) -> bool:
    try:
        socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), 1).close()
    except OSError:
        return False
    return True
