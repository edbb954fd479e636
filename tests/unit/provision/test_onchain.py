"""What refresh asks the chain: yes, no, and the silence that must change nothing."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from infra.provision import onchain


class Node(BaseHTTPRequestHandler):
    """Answers whatever `said` is."""

    said = b""
    status = 200

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(self.said)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def node() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Node) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(("result", "there"), [("0x", False), ("0x6080", True)])
def test_code_stands_or_does_not(node: str, monkeypatch: pytest.MonkeyPatch, result: str, *, there: bool) -> None:
    monkeypatch.setattr(Node, "said", b'{"jsonrpc":"2.0","id":1,"result":"%s"}' % result.encode())
    assert onchain.has_code(node, "0x" + "11" * 20) is there


@pytest.mark.parametrize(("key", "there"), [("00" * 32, False), ("00" * 12 + "ab" * 20, True)])
def test_a_grant_is_open_once_it_has_a_key(
    node: str, monkeypatch: pytest.MonkeyPatch, key: str, *, there: bool
) -> None:
    monkeypatch.setattr(Node, "said", b'{"jsonrpc":"2.0","id":1,"result":"0x%s"}' % key.encode())
    assert onchain.grant_is_open(node, "0x" + "11" * 20, "0x" + "22" * 32) is there


@pytest.mark.parametrize(
    ("status", "said"),
    [(200, b"not json"), (200, b"[]"), (200, b'{"error":{"code":-32000,"message":"no"}}'), (502, b'{"result":"0x"}')],
)
def test_what_is_no_answer_says_nothing(node: str, monkeypatch: pytest.MonkeyPatch, status: int, said: bytes) -> None:
    monkeypatch.setattr(Node, "said", said)
    monkeypatch.setattr(Node, "status", status)
    assert onchain.has_code(node, "0x" + "11" * 20) is None


def test_nobody_there_says_nothing() -> None:
    assert onchain.grant_is_open("http://127.0.0.1:1", "0x" + "11" * 20, "0x" + "22" * 32) is None
