"""One session with a box: only the pinned host key is spoken to, data goes both ways, a port there leads back here."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paramiko
import pytest

from infra import keys
from infra.errors import NotVerified, Unreachable
from infra.provision.session import session
from infra.provision.ssh import Host
from tests.ssh_server import ssh_server


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """This machine, as a box that lets our key in."""
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path))
    with ssh_server(keys.ssh_public_key().split()[1]) as (port, host_key):
        found = Host("drop", "quay-appliance1", f"ssh://root@127.0.0.1:{port}")
        found.pin(host_key)
        yield found


def test_a_command_is_given_its_data_and_gives_back_its_own(host: Host) -> None:
    data = bytes(range(256)) * 10_000
    with session(host) as there:
        said = there.run("cat; echo why >&2; exit 3", stdin=data)
        assert (said.code, said.out == data, said.err) == (3, True, "why")
        assert there.run("cat").out == b""
        with pytest.raises(Unreachable):
            there.run("sleep 3", seconds=0.2)


def test_lines_come_while_its_input_stays_open(host: Host) -> None:
    with session(host) as there:
        assert list(there.lines("echo one; echo two", 10)) == ["one", "two"]
        with pytest.raises(Unreachable, match="quay-appliance1: no such image"):
            list(there.lines("echo one; echo no such image >&2; exit 1", 10))


def test_a_port_there_is_served_here(host: Host) -> None:
    def shout(channel: paramiko.Channel) -> None:
        with channel, channel.makefile("rwb") as file:
            line: Any = file.readline()
            file.write(line.upper())

    with session(host) as there:
        port = there.lend(shout)
        for word in (b"one\n", b"two\n"):
            with socket.create_connection(("127.0.0.1", port), 5) as client:
                client.sendall(word)
                assert client.makefile("rb").readline() == word.upper()


def test_another_host_key_is_not_spoken_to(host: Host) -> None:
    other = paramiko.ECDSAKey.generate()
    host.pin(f"{other.get_name()} {other.get_base64()}")
    with pytest.raises(NotVerified, match="another host key than the one we were told"), session(host):
        pass


def test_a_host_key_that_nobody_told_us_is_not_taken(host: Host) -> None:
    host.known_hosts.unlink()
    with pytest.raises(NotVerified, match="nobody here was told"), session(host):
        pass
    assert not host.known_hosts.exists()


def test_a_box_that_does_not_let_us_in_or_is_away_says_so(host: Host) -> None:
    stranger = Host("drop", "quay-appliance1", host.url.replace("root@", "admin@"))
    with pytest.raises(Unreachable, match="lets nobody in over SSH"), session(stranger):
        pass
    away = Host("drop", "quay-appliance1", "ssh://root@127.0.0.1:1")
    away.pin("ssh-ed25519 AAAA" + "A" * 64)
    with pytest.raises(Unreachable, match="does not answer"), session(away):
        pass
