"""The responder's commands on a real front, with stand-in nodes; there is no hub, no chain and no Pulumi state."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.components.front import files_of
from infra.home import ROOT
from infra.ops.drops import plan_of
from infra.ops.served import answering, at_each, in_service
from infra.ops.targets import resolve
from infra.plan.fronts import Front
from infra.plan.model import Geography, Node
from node_image.front.vrrp import CAPABILITIES, COMMAND
from tests.e2e.box import image
from tests.e2e.buyers import Buyers
from tests.e2e.standing import Standing, docker, sweep, wait_for

pytestmark = pytest.mark.e2e

DROPS = ROOT / "inventory" / "drops"
TINY = Path(__file__).with_name("tiny_node.py")
APPLIANCE, SPARE, LENT = "quay-appliance1", "quay-spare1", "mole-spare1"
FRONTS = ("quay-front", "quay-front2")


class Quay:
    """One geography as the engine has it."""

    def __init__(self, standing: Standing, geo: Geography) -> None:
        self.standing, self.geo = standing, geo

    def typed(self, *words: str, check: bool = True) -> dict[str, Any]:
        """A command's JSON."""
        done = self.standing.edgedrop(*words, "--drop", self.standing.drop, "--yes", "--json", check=check)
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def status(self) -> dict[str, Any]:
        """What it tells of the nodes that are set aside."""
        return {one["node"]: one for one in self.told()["diverted"]}

    def told(self) -> dict[str, Any]:
        """All that status does; hub and mole are silent, so it ends with 5."""
        done = self.standing.edgedrop("status", self.standing.drop, "--json", check=False)
        assert done.returncode == 5, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def sees(self, front: str) -> bool:
        """Whether that one answers."""
        with httpx.Client(timeout=1) as client:
            return bool(at_each(client, self.geo)[front])

    def holder(self) -> str:
        """The front that has the buyers."""
        with httpx.Client(timeout=0.3) as client:
            return answering(client, self.geo)

    def claim(self) -> tuple[int, str]:
        """A buyer's."""
        answer = httpx.post(f"{self.geo.front_url}/v1/claims", json={"claim_id": uuid.uuid4().hex}, timeout=10)
        return answer.status_code, answer.headers["X-Edgedrop-Node"]


@pytest.fixture(scope="module")
def quay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Quay]:
    """Both places' networks and fronts, the quay's nodes, and the mole's spare, which is lent and still off."""
    made = Standing(uuid.uuid4().hex[:6], tmp_path_factory.mktemp("home"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("EDGEDROP_HOME", str(made.home))
        file = lending_file(tmp_path_factory.mktemp("drop"))
        _, stack = resolve([made.lab, made.drop], lab=made.lab, file=str(file))
        geo, mole = plan_of(stack).geographies
        try:
            stand_up(made.drop, mole, (mole.nodes[1],))
            stand_up(made.drop, geo, geo.nodes)
            docker("stop", "-t", "0", f"{made.drop}-{LENT}")
            for each in (mole, geo):
                start_fronts(made.drop, each, tmp_path_factory.mktemp("front"))
            there = Quay(made, geo)
            wait_for(lambda: answers(geo), 10, "the front")
            yield there
        finally:
            sweep(made.drop)


def lending_file(folder: Path) -> Path:
    """Harbour Lights, whose mole lends its spare to the quay."""
    (folder / "harbour-lights").symlink_to(DROPS / "harbour-lights")
    good, file = (DROPS / "harbour-lights.yaml").read_text(), folder / "harbour-lights.yaml"
    file.write_text(f"{good.rstrip()}\n    lends_spares_to: [quay]\n")
    return file


def stand_up(stack: str, geo: Geography, nodes: tuple[Node, ...]) -> None:
    """As `infra/components` does, but for the nodes."""
    label = ("--label", f"edgedrop.stack={stack}")
    network = f"{stack}-{geo.name}"
    docker("network", "create", *label, "--subnet", geo.subnet, network)
    tiny = ("-v", f"{TINY}:/tiny_node.py:ro", "--entrypoint", "python3", image("base")["id"], "-u", "/tiny_node.py")
    for node in nodes:
        at = ("--network", network, "--ip", node.address)
        docker("run", "-d", "--name", f"{stack}-{node.name}", *label, *at, *tiny, "8080", node.name, "0.0.0.0")  # noqa: S104  in a container


def start_fronts(stack: str, geo: Geography, folder: Path) -> None:
    """As `infra/components` does."""
    for number, front in enumerate(geo.fronts):
        create_front(stack, geo, front, folder)
        for leg in geo.legs:
            docker("network", "connect", "--ip", leg.addresses[number], f"{stack}-{leg.geo}", f"{stack}-{front.name}")
        docker("start", f"{stack}-{front.name}")


def create_front(stack: str, geo: Geography, front: Front, folder: Path) -> None:
    """Alone, or one of a pair."""
    rights = [word for one in CAPABILITIES for word in ("--cap-add", one)]
    more, command = (("--cap-drop", "ALL", *rights), COMMAND) if geo.pair else ((), ())
    for path, text in files_of(geo, front).items():
        file = folder / f"{front.name}{path.replace('/', '-')}"
        file.write_text(text)
        file.chmod(0o444)
        more = (*more, "-v", f"{file}:{path}:ro")
    folder.chmod(0o755)
    where = ("--network", f"{stack}-{geo.name}", "--ip", front.address, "--hostname", front.name)
    label = ("--label", f"edgedrop.stack={stack}")
    docker("create", "--name", f"{stack}-{front.name}", *label, *where, *more, image("front")["id"], *command)


def answers(geo: Geography) -> bool:
    try:
        return httpx.get(f"{geo.front_url}/v1/drop", timeout=1).status_code == 200
    except httpx.HTTPError:
        return False


def both_in_service(quay: Quay) -> None:
    with httpx.Client(timeout=2) as client:
        wait_for(lambda: in_service(client, quay.geo) >= {APPLIANCE, SPARE}, 20, "both nodes at the front")


def test_all_claims_move_and_no_buyer_notices(quay: Quay) -> None:
    """The proof names who answered; a front that restarts is told of by status, and a second command mends it."""
    seen: list[tuple[int, str]] = []
    over = threading.Event()

    def buy() -> None:
        while not over.wait(0.02):
            seen.append(quay.claim())

    buyer = threading.Thread(target=buy)
    buyer.start()
    try:
        told = quay.typed("failover", "quay", "--reason", "it lies")
        assert told["proof"]["answered_by"] == {SPARE: 5}
        assert told["proof"]["states"] == {APPLIANCE: "DRAIN", SPARE: "UP", LENT: "DOWN"}
        assert told["proof"]["in_hand"] == 0
        assert told["proof"]["counted"][SPARE] >= 5
        assert quay.claim() == (201, SPARE)
        found = quay.status()[APPLIANCE]
        assert found["fronts"] == dict.fromkeys(FRONTS, "DRAIN"), "each of the pair was told"
        assert found["record"]["why"] == "it lies"
        assert "@" in found["record"]["who"]
        back = quay.typed("failback", "quay")
        assert set(back["proof"]["answered_by"]) == {APPLIANCE}
    finally:
        over.set()
        buyer.join()
    assert {status for status, _ in seen} == {201}, seen
    assert {node for _, node in seen} == {APPLIANCE, SPARE}
    assert quay.status() == {}


def test_a_cordoned_node_is_the_last_resort_and_a_drained_one_is_not(quay: Quay) -> None:
    spare = f"{quay.standing.drop}-{SPARE}"
    quay.typed("cordon", APPLIANCE)
    assert quay.claim() == (201, SPARE)
    docker("kill", spare)
    try:
        wait_for(lambda: quay.claim() == (201, APPLIANCE), 5, "the last resort")
        quay.typed("cordon", APPLIANCE, "--end")
        refused = quay.standing.edgedrop("drain", APPLIANCE, "--drop", quay.standing.drop, "--yes", check=False)
        assert (refused.returncode, "nobody would answer its buyers" in refused.stderr) == (2, True), refused.stderr
        told = quay.typed("drain", APPLIANCE, "--last")
        assert told["proof"]["answered_by"] == {"nobody": 5}
        assert quay.claim()[0] == 503
        quay.typed("drain", APPLIANCE, "--end")
        assert quay.claim() == (201, APPLIANCE)
    finally:
        docker("start", spare)


def test_the_second_front_takes_over_and_the_first_one_does_not_take_it_back(quay: Quay) -> None:
    """No claim is lost: one whose connection was cut is asked again with the same id."""
    both_in_service(quay)
    first = quay.holder()
    (second,) = {*FRONTS} - {first}
    container = f"{quay.standing.drop}-{first}"
    with Buyers(quay.geo) as buyers:
        buyers.more(50)
        assert buyers.cut == 0
        docker("kill", container)
        wait_for(lambda: quay.holder() == second, 5, "the second front at the buyers' address")
        buyers.more(50)
        told = quay.told()["fronts"][0]
        assert (told["answers"], told["dead"]) == (second, [first])
        done = quay.standing.edgedrop("cordon", APPLIANCE, "--drop", quay.standing.drop, "--yes")
        assert f"{first}: " in done.stderr, "it says which one it could not tell"
        assert f"answered by {SPARE} 5" in done.stderr
        cut = buyers.cut
        docker("start", container)
        wait_for(lambda: quay.sees(first), 10, "the first front")
        buyers.more(200)
        assert (quay.holder(), buyers.cut) == (second, cut), "no flapping"
        quay.typed("cordon", APPLIANCE, "--end")
    gap = max(later - sooner for sooner, later in pairwise(sorted(buyers.answered)))
    print(f"front killed: gap {1000 * gap:.0f} ms, {buyers.cut} tries cut, {len(buyers.claims)} claims")  # noqa: T201  the figure
    assert gap < 2
    assert {status for _, status in buyers.claims} <= {200, 201}
    with httpx.Client() as client:
        found = {client.get(f"{buyers.url}/{wish}").status_code for wish, _ in buyers.claims}
    assert found == {200}


def test_claims_move_to_a_spare_that_another_place_lends(quay: Quay) -> None:
    """Set aside at home it is set aside at the borrower's, too."""
    lent = f"{quay.standing.drop}-{LENT}"
    docker("start", lent)
    try:
        wait_for(lambda: quay.told()["fronts"][0]["lent"][LENT]["state"] == "UP", 20, "the mole's spare at the quay")
        told = quay.typed("failover", "quay", "--to", LENT)
        assert told["proof"]["answered_by"] == {LENT: 5}
        assert quay.claim() == (201, LENT)
        assert set(quay.status()) == {APPLIANCE, SPARE}
        quay.typed("failback", "quay")
        quay.typed("drain", LENT, "--last", "--reason", "a new disk")
        drained = [one["fronts"] for one in quay.told()["diverted"] if one["record"]["why"] == "a new disk"]
        assert drained == [dict.fromkeys(FRONTS, "DRAIN"), {"mole-front": "DRAIN"}]
        quay.typed("drain", LENT, "--end")
        assert quay.status() == {}
    finally:
        docker("stop", "-t", "0", lent)


def test_a_front_that_was_started_anew_has_forgotten_and_status_says_so(quay: Quay) -> None:
    """The page's first command, after this, has it do so again. The other one of the pair has forgotten nothing."""
    both_in_service(quay)
    quay.typed("failover", "quay")
    docker("restart", "-t", "1", f"{quay.standing.drop}-quay-front")
    wait_for(lambda: quay.sees("quay-front"), 10, "the front")
    assert quay.status()[APPLIANCE]["fronts"] == {"quay-front": "UP", "quay-front2": "DRAIN"}
    assert quay.claim() == (201, SPARE)


def test_the_page_for_a_failover(quay: Quay) -> None:
    first, *_, shown = quay.standing.runbook("failover")
    assert f"answered by {SPARE} 5" in first.stderr
    acts = ("failover", "failback", "drain", "drain --end", "cordon", "cordon --end")
    assert all(act in shown.stdout for act in acts), shown.stdout
    assert "each signed and following the one before it" in shown.stdout
