"""A box is reached by the pinned key alone, and a dead one is known as dead."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.provision.ssh import Host


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path))


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_only_the_pinned_key_is_trusted() -> None:
    host = Host("drop", "quay-spare1", "ssh://ops@10.16.1.11:2222")
    host.pin("ssh-ed25519 AAAA")
    assert host.known_hosts.read_text() == "[10.16.1.11]:2222 ssh-ed25519 AAAA\n"
    words = " ".join(host.command("true"))
    for told in ("StrictHostKeyChecking=yes", f"UserKnownHostsFile={host.known_hosts}", "-p 2222 ops@10.16.1.11 true"):
        assert told in words


def test_another_key_replaces_the_pinned_one() -> None:
    host = Host("drop", "quay-spare1", "ssh://root@10.16.1.11:22")
    host.pin("ssh-ed25519 AAAA")
    host.pin("ssh-ed25519 BBBB")
    assert host.known_hosts.read_text() == "10.16.1.11 ssh-ed25519 BBBB\n"


def test_an_address_of_ipv6_keeps_its_brackets_for_the_url_alone() -> None:
    host = Host("drop", "n", "ssh://root@[fd00::1]:22")
    assert (host.address, host.port, host.user) == ("fd00::1", 22, "root")


def test_a_port_that_speaks_ssh_answers(listener: socket.socket) -> None:
    def speak() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"SSH-2.0-OpenSSH\r\n")

    thread = threading.Thread(target=speak)
    thread.start()
    assert Host("drop", "n", f"ssh://root@127.0.0.1:{listener.getsockname()[1]}").answers(2)
    thread.join()


def test_a_port_that_takes_connections_and_says_nothing_does_not_answer(listener: socket.socket) -> None:
    assert not Host("drop", "n", f"ssh://root@127.0.0.1:{listener.getsockname()[1]}").answers(0.2)
