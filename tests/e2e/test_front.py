"""The front on a real HAProxy: nodes die, hang or all go away under load, and what the buyer sees of it."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from node_image.front.config import FrontNode, FrontOptions, render
from node_image.front.runtime import words
from tests.a_front import start_haproxy
from tests.e2e.hub_world import free_port
from tests.e2e.standing import sweep, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TINY = Path(__file__).with_name("tiny_node.py")
APPLIANCE, SPARE = "quay-appliance1", "quay-spare1"
LENT = "mole-spare1"
LOCAL = "127.0.0.1"
AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Seen:
    """One claim as its buyer saw it; times are of the monotonic clock."""

    sent: float
    answered: float
    status: int
    node: str


@dataclass
class Site:
    url: str
    stats: str
    nodes: dict[str, subprocess.Popen[bytes]]
    ports: dict[str, int]
    admin: int

    def claim(self, client: httpx.Client, claim_id: str) -> httpx.Response:
        return client.post(f"{self.url}/v1/claims", json={"claim_id": claim_id})

    def be(self, name: str, **how: object) -> None:
        """Make a node another one."""
        httpx.post(f"http://127.0.0.1:{self.ports[name]}/be", json=how).raise_for_status()

    def told(self, command: str) -> None:
        """At the runtime socket; HAProxy says nothing where it did it."""
        with socket.create_connection(("127.0.0.1", self.admin), 5) as line:
            line.sendall(f"{command}\n".encode())
            assert line.recv(1024).strip() == b""

    def figure(self, name: str, proxy: str, server: str) -> float:
        """One of HAProxy's own of a server."""
        found = re.search(
            rf'^haproxy_server_{name}{{proxy="{proxy}",server="{server}"(,[^}}]*)?}} (\S+)$',
            httpx.get(f"{self.stats}/metrics").text,
            re.MULTILINE,
        )
        assert found, name
        return float(found[2])

    def load(self, claims: int, per_second: float, *acts: tuple[float, Callable[[], None]]) -> list[Seen]:
        """Claims at that pace, each at its time whatever became of those before; acts at their seconds."""

        def one(number: int) -> Seen:
            time.sleep(max(0.0, begin + number / per_second - time.monotonic()))  # its time
            sent = time.monotonic()
            answer = self.claim(client, f"{begin}-{number}")
            return Seen(sent, time.monotonic(), answer.status_code, answer.headers.get("X-Edgedrop-Node", ""))

        limits = httpx.Limits(max_connections=100, max_keepalive_connections=100)
        with httpx.Client(timeout=10, limits=limits) as client, ThreadPoolExecutor(100) as pool:
            begin = time.monotonic()
            answers = [pool.submit(one, number) for number in range(claims)]
            for second, act in acts:
                time.sleep(max(0.0, begin + second - time.monotonic()))  # its time
                act()
            return [answer.result() for answer in answers]


def wait_ready(url: str) -> None:
    wait_for(lambda: answers(url), 5, url)


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=1).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    yield from stood_up(
        tmp_path, FrontNode(APPLIANCE, LOCAL, "appliance", at_once=AT_ONCE), FrontNode(SPARE, LOCAL, "spare")
    )


@pytest.fixture
def lending(tmp_path: Path) -> Iterator[Site]:
    """One that is lent another geography's spare, by half."""
    own = (FrontNode(APPLIANCE, LOCAL, "appliance", at_once=AT_ONCE), FrontNode(SPARE, LOCAL, "spare", at_once=AT_ONCE))
    yield from stood_up(tmp_path, *own, FrontNode(LENT, LOCAL, "lent", at_once=AT_ONCE // 2))


def stood_up(tmp_path: Path, *given: FrontNode) -> Iterator[Site]:
    ports = {node.name: free_port() for node in given}
    places = tuple(replace(node, port=ports[node.name]) for node in given)
    nodes = {name: subprocess.Popen([sys.executable, TINY, str(port), name]) for name, port in ports.items()}
    claims, stats, admin = free_port(), free_port(), free_port()
    options = FrontOptions(f"127.0.0.1:{claims}", f"127.0.0.1:{stats}", str(tmp_path / "admin.sock"), admin)
    (tmp_path / "haproxy.cfg").write_text(render("quay", places, options))
    run = f"front-{uuid.uuid4().hex[:6]}"
    try:
        for port in ports.values():
            wait_ready(f"http://127.0.0.1:{port}/readyz")
        start_haproxy(tmp_path, run)
        wait_ready(f"http://127.0.0.1:{stats}/readyz")
        yield Site(f"http://127.0.0.1:{claims}", f"http://127.0.0.1:{stats}", nodes, ports, admin)
    finally:
        sweep(run)
        for process in nodes.values():
            process.kill()
            process.wait()


@pytest.mark.parametrize("fault", ["killed", "hung", "slow", "500", "garbage"])
def test_no_claim_fails_and_the_appliance_is_out_within_a_second(site: Site, fault: str) -> None:
    """100 claims/s for three seconds; the appliance goes wrong after one. It says that it is ready all along."""
    at_fault: list[float] = []

    def strike() -> None:
        at_fault.append(time.monotonic())
        if fault in ("killed", "hung"):
            site.nodes[APPLIANCE].send_signal(signal.SIGKILL if fault == "killed" else signal.SIGSTOP)
        else:
            site.be(APPLIANCE, claims="5s" if fault == "slow" else fault)

    seen = site.load(300, 100, (1, strike))
    assert {one.status for one in seen} <= {200, 201}, Counter(one.status for one in seen)
    assert {one.node for one in seen} == {APPLIANCE, SPARE}
    (struck,) = at_fault
    late = [one for one in seen if one.sent > struck + 1]
    assert {one.node for one in late} == {SPARE}, "it is out within a second"
    assert max(one.answered - one.sent for one in late) < 0.5, "and nobody waits for it any more"
    assert max(one.answered - one.sent for one in seen) < 1.5


def test_a_liar_that_says_it_is_ready_is_not_believed_at_once(site: Site) -> None:
    """Out, back after 3 s of good words, out again: no flapping, and no buyer meets it."""
    site.be(APPLIANCE, claims="500")
    seen = site.load(200, 40)
    assert {one.status for one in seen} == {201}
    assert site.figure("check_up_down_total", "appliances", APPLIANCE) <= 2


def test_it_comes_back_by_and_by(site: Site) -> None:
    site.be(APPLIANCE, ready=False)
    with httpx.Client() as client:
        wait_for(lambda: site.claim(client, uuid.uuid4().hex).headers["X-Edgedrop-Node"] == SPARE, 5, "the spare")
        site.be(APPLIANCE, ready=True, claims="0.05s")
        wait_for(lambda: site.claim(client, uuid.uuid4().hex).headers["X-Edgedrop-Node"] == APPLIANCE, 6, "it is back")
    seen = Counter(one.node for one in site.load(40, 100))
    assert seen[SPARE] >= 10, "its first second back: one or two at a time"
    assert seen[APPLIANCE] > 0


def test_a_buyers_own_fault_never_counts_against_a_node(site: Site) -> None:
    site.be(APPLIANCE, claims="400")
    seen = site.load(100, 100)
    assert {(one.status, one.node) for one in seen} == {(400, APPLIANCE)}
    assert site.figure("check_up_down_total", "appliances", APPLIANCE) == 0


def test_a_spare_takes_what_would_wait_and_nothing_after(site: Site) -> None:
    """The appliance answers 16 at a time, each in 0.2 s: 80 claims/s. At 120 the spare has the rest."""
    site.be(APPLIANCE, claims="0.2s")
    seen = Counter(one.node for one in site.load(240, 120))
    assert 0.2 < seen[SPARE] / 240 < 0.6, seen
    assert site.figure("max_queue", "appliances", APPLIANCE) <= 1, "nobody waited"
    assert {one.node for one in site.load(40, 20)} == {APPLIANCE}, "its share is 0 again"


def test_what_another_place_lends_is_asked_last_and_only_as_far_as_it_is_lent(lending: Site) -> None:
    """The own two answer 16 at a time each, in 0.4 s: 80 claims/s; the lent one 8. Then the own two are gone."""
    for name in (APPLIANCE, SPARE, LENT):
        lending.be(name, claims="0.4s")
    assert {one.node for one in lending.load(60, 30)} == {APPLIANCE}
    seen = lending.load(240, 95)
    assert {one.status for one in seen} == {201}
    assert 0 < Counter(one.node for one in seen)[LENT] / 240 < 0.25
    assert lending.figure("max_sessions", "lent", LENT) <= AT_ONCE // 2
    for name in (APPLIANCE, SPARE):
        lending.nodes[name].kill()
    with httpx.Client() as client:
        wait_for(lambda: lending.claim(client, "borrowed").headers["X-Edgedrop-Node"] == LENT, 5, "the lent one")
        assert client.get(f"{lending.url}/livez").headers["X-Edgedrop-Node"] == LENT, "it gives the page, too"
        assert client.get(f"{lending.url}/v1/claims/borrowed").status_code == 200
    assert answers(f"{lending.stats}/readyz")


def test_no_claim_fails_while_the_appliance_stands_aside(site: Site) -> None:
    """50 claims/s; the front is told to spare it after one second, and to send to it again after two.

    Meanwhile the spare isn't ready: it is the only one that there is, and alive.
    """
    away, back = (words(APPLIANCE, "appliance", how) for how in ("drain", "ready"))
    times: list[float] = []

    def gone() -> None:
        site.told(away)
        times.append(time.monotonic())
        site.be(SPARE, ready=False)

    def comes() -> None:
        times.append(time.monotonic())
        site.told(back)

    seen = site.load(150, 50, (1, gone), (2, comes))
    assert {one.status for one in seen} <= {200, 201}, seen
    assert {one.node for one in seen if times[0] < one.sent < times[1] - 0.1} == {SPARE}
    assert APPLIANCE in {one.node for one in seen if one.sent > times[1]}


def test_no_claim_fails_that_is_under_way_when_the_last_node_in_service_dies(site: Site) -> None:
    """50 claims/s; the spare lives and isn't in service, as a starved one may be, and the appliance is killed."""
    site.be(SPARE, ready=False)
    site.be(APPLIANCE, claims="0.1s")
    seen = site.load(100, 50, (1, site.nodes[APPLIANCE].kill))
    assert {one.status for one in seen} <= {200, 201}, Counter(one.status for one in seen)
    assert {one.node for one in seen} == {APPLIANCE, SPARE}


def test_a_place_that_is_cut_off_still_hands_out_reserve_vouchers(site: Site) -> None:
    """No node is ready, each is alive; one that is drained is asked even then by nobody."""
    for name in (APPLIANCE, SPARE):
        site.be(name, ready=False, claims="202")
    wait_for(lambda: not answers(f"{site.stats}/readyz"), 5, "no node is in service")
    assert {(one.status, one.node) for one in site.load(20, 50)} == {(202, APPLIANCE), (202, SPARE)}
    site.told(words(SPARE, "spare", "drain"))
    assert {(one.status, one.node) for one in site.load(20, 50)} == {(202, APPLIANCE)}
    site.nodes[APPLIANCE].kill()
    assert {one.status for one in site.load(20, 50)} == {503}


def test_phones_that_are_slow_to_take_a_picture_keep_nobody_from_claiming(site: Site) -> None:
    host, port = site.url.removeprefix("http://").split(":")
    with ExitStack() as phones:
        for _ in range(2 * AT_ONCE):
            phone = phones.enter_context(socket.create_connection((host, int(port)), 5))
            phone.sendall(b"GET /assets/large HTTP/1.1\r\nHost: quay\r\n\r\n")
            assert phone.recv(12) == b"HTTP/1.1 200"
        assert {(one.status, one.node) for one in site.load(40, 100)} == {(201, APPLIANCE)}


def test_spares_wait_while_an_appliance_is_up(site: Site) -> None:
    with httpx.Client() as client:
        nodes = {site.claim(client, f"c{n}").headers["X-Edgedrop-Node"] for n in range(20)}
    assert nodes == {APPLIANCE}


def test_a_claim_answered_by_the_spare_is_found(site: Site) -> None:
    """The appliance answers 404 for it: the front asks on; also one that is drained, or not ready."""
    with httpx.Client() as client:
        client.post(f"http://127.0.0.1:{site.ports[SPARE]}/v1/claims", json={"claim_id": "elsewhere"})
        site.told(words(SPARE, "spare", "drain"))
        site.be(SPARE, ready=False)
        found = [client.get(f"{site.url}/v1/claims/elsewhere").status_code for _ in range(4)]
        unknown = client.get(f"{site.url}/v1/claims/nowhere").status_code
        named = [client.put(f"{site.url}/v1/claims/elsewhere/receiver", json={}).status_code for _ in range(4)]
    assert (found, unknown, named) == ([200] * 4, 404, [200] * 4)


def test_no_node_left_is_said_in_the_mints_own_words(site: Site) -> None:
    for node in site.nodes.values():
        node.kill()
    with httpx.Client() as client:
        for claim_id in ("at once", "later"):
            answer = site.claim(client, claim_id)
            assert answer.status_code == 503
            assert answer.headers["Retry-After"] == "1"
            assert answer.json()["error"]["code"] == "not_ready"
            assert answer.json()["error"]["hint"]
            wait_for(lambda: not answers(f"{site.stats}/readyz"), 5, "no node is in service")


def test_a_large_body_is_refused(site: Site) -> None:
    with httpx.Client() as client:
        answer = client.post(f"{site.url}/v1/claims", content=b"x" * 9000)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "bad_claim")


def test_metrics_are_served(site: Site) -> None:
    assert "haproxy_server_status" in httpx.get(f"{site.stats}/metrics").text
