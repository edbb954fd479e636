"""The front on a real HAProxy: nodes die, hang or all go away under load, and what the buyer sees of it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from infra.ops.aside import words
from node_image.front.config import FrontNode, FrontOptions, render
from tests.e2e.box import start_haproxy
from tests.e2e.standing import sweep

if TYPE_CHECKING:
    from collections.abc import Iterator

TINY = Path(__file__).with_name("tiny_node.py")


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@dataclass
class Site:
    url: str
    stats: str
    nodes: dict[str, subprocess.Popen[bytes]]
    ports: dict[str, int]
    admin: int

    def claim(self, client: httpx.Client, claim_id: str) -> httpx.Response:
        return client.post(f"{self.url}/v1/claims", json={"claim_id": claim_id})


def wait_ready(url: str) -> None:
    for _ in range(100):
        with suppress(httpx.HTTPError):
            if httpx.get(url, timeout=1).status_code == 200:
                return
        time.sleep(0.05)
    pytest.fail(f"{url} is not ready after 5 s")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    ports = {name: free_port() for name in ("quay-appliance1", "quay-spare1")}
    nodes = {name: subprocess.Popen([sys.executable, TINY, str(port), name]) for name, port in ports.items()}
    places = (
        FrontNode("quay-appliance1", "127.0.0.1", "appliance", ports["quay-appliance1"]),
        FrontNode("quay-spare1", "127.0.0.1", "spare", ports["quay-spare1"]),
    )
    claims, stats = free_port(), free_port()
    admin = free_port()
    options = FrontOptions(f"127.0.0.1:{claims}", f"127.0.0.1:{stats}", str(tmp_path / "admin.sock"), admin)
    (tmp_path / "haproxy.cfg").write_text(render("quay", places, options))
    run = f"front-{uuid.uuid4().hex[:6]}"
    try:
        start_haproxy(tmp_path, run)
        wait_ready(f"http://127.0.0.1:{stats}/readyz")
        for port in ports.values():
            wait_ready(f"http://127.0.0.1:{port}/readyz")
        time.sleep(0.6)  # two checks of each node, so that both are known as up
        yield Site(f"http://127.0.0.1:{claims}", f"http://127.0.0.1:{stats}", nodes, ports, admin)
    finally:
        sweep(run)
        for process in nodes.values():
            process.kill()
            process.wait()


@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hung"])
def test_no_claim_fails_when_the_appliance_goes(site: Site, fault: signal.Signals) -> None:
    """50 claims/s for four seconds; the appliance goes after one."""

    def one(number: int) -> tuple[int, str]:
        time.sleep(max(0.0, begin + number / 50 - time.monotonic()))
        answer = site.claim(client, f"claim-{number}")
        return answer.status_code, answer.headers.get("X-Edgedrop-Node", "")

    limits = httpx.Limits(max_connections=100, max_keepalive_connections=100)
    with httpx.Client(timeout=10, limits=limits) as client, ThreadPoolExecutor(100) as pool:
        begin = time.monotonic()
        answers = [pool.submit(one, number) for number in range(200)]
        time.sleep(1)
        site.nodes["quay-appliance1"].send_signal(fault)
        seen = Counter(answer.result() for answer in answers)
    assert {status for status, _ in seen} <= {200, 201}, seen
    assert {node for _, node in seen} == {"quay-appliance1", "quay-spare1"}, seen


def test_no_claim_fails_while_the_appliance_stands_aside(site: Site) -> None:
    """50 claims/s; the front is told to spare it after one second, and to send to it again after two.

    Meanwhile the spare's checks all fail: it is late, and the only one that there is.
    """
    away, back = words("quay-appliance1", {"quay-spare1"})

    def told(command: str) -> None:
        with socket.create_connection(("127.0.0.1", site.admin), 5) as line:
            line.sendall(f"{command}\n".encode())
            assert line.recv(1024).strip() == b""

    def one(number: int) -> tuple[float, int, str]:
        time.sleep(max(0.0, begin + number / 50 - time.monotonic()))
        sent = time.monotonic()
        answer = site.claim(client, f"aside-{number}")
        return sent, answer.status_code, answer.headers.get("X-Edgedrop-Node", "")

    with httpx.Client(timeout=10) as client, ThreadPoolExecutor(50) as pool:
        begin = time.monotonic()
        answers = [pool.submit(one, number) for number in range(150)]
        time.sleep(1)
        told(away)
        gone = time.monotonic()
        httpx.post(f"http://127.0.0.1:{site.ports['quay-spare1']}/v1/claims", json={"claim_id": "unwell"})
        time.sleep(1)
        comes = time.monotonic()
        told(back)
        seen = [answer.result() for answer in answers]
    assert {status for _, status, _ in seen} <= {200, 201}, seen
    assert {node for sent, _, node in seen if gone < sent < comes - 0.1} == {"quay-spare1"}
    assert "quay-appliance1" in {node for sent, _, node in seen if sent > comes}


def test_spares_wait_while_an_appliance_is_up(site: Site) -> None:
    with httpx.Client() as client:
        nodes = {site.claim(client, f"c{n}").headers["X-Edgedrop-Node"] for n in range(20)}
    assert nodes == {"quay-appliance1"}


def test_a_claim_answered_by_the_spare_is_found(site: Site) -> None:
    """The appliance answers 404 for it: the front asks on."""
    with httpx.Client() as client:
        client.post(f"http://127.0.0.1:{site.ports['quay-spare1']}/v1/claims", json={"claim_id": "elsewhere"})
        found = [client.get(f"{site.url}/v1/claims/elsewhere").status_code for _ in range(4)]
        unknown = client.get(f"{site.url}/v1/claims/nowhere").status_code
    assert (found, unknown) == ([200] * 4, 404)


def test_no_node_left_is_said_in_the_mints_own_words(site: Site) -> None:
    for node in site.nodes.values():
        node.kill()
    time.sleep(1)
    with httpx.Client() as client:
        answer = site.claim(client, "late")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"
    assert answer.json()["error"]["code"] == "not_ready"
    assert answer.json()["error"]["hint"]


def test_a_large_body_is_refused(site: Site) -> None:
    with httpx.Client() as client:
        answer = client.post(f"{site.url}/v1/claims", content=b"x" * 9000)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "bad_claim")


def test_metrics_are_served(site: Site) -> None:
    assert "haproxy_server_status" in httpx.get(f"{site.stats}/metrics").text
