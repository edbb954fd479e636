"""The control side asks a cloud signer over real mutual TLS; what that one says is scripted."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from infra import certificates, keys
from infra.errors import NotVerified, Unreachable
from infra.home import place
from infra.provision import cloud, wait
from node_image.peers import Peer, peer_of, server_context
from node_image.protocol import facts as drop_facts
from node_image.signer.client import read_message, write_message
from tests.unit.protocol.world import FACTS

BUSY = {"error": {"code": "not_ready", "message": "the keystore is warming"}}


@dataclass
class Hub:
    """Answers what it was told to, the last answer for ever; keeps who asked what."""

    answers: list[dict[str, Any]] = field(default_factory=list)
    asked: list[tuple[Peer | None, dict[str, Any]]] = field(default_factory=list)
    at: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        while (request := await read_message(reader)) is not None:
            self.asked.append((peer_of(writer.get_extra_info("peercert")), request))
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            await write_message(writer, {"id": request["id"], **answer})
        writer.close()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """It listens until the test is over."""
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path))
    monkeypatch.setattr(wait, "POLL_S", 0.01)
    monkeypatch.setattr(cloud, "READY_S", 2)
    certificates.hub_pem("127.0.0.1")
    context = server_context(place("keys", "cloud-signer.127.0.0.1.pem"), place("keys", "authority.pem"))
    made, loop = Hub(), asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=context))
    made.at = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield made
    loop.call_soon_threadsafe(loop.stop)
    thread.join()


def test_the_key_of_a_grant_that_the_owner_signed(hub: Hub) -> None:
    facts = msgspec.structs.replace(FACTS, owner_public_key=keys.owner_public_pem().decode())
    hub.answers = [BUSY, {"ok": {"grant_id": facts.grant_id, "key": "0xaa"}}]
    assert cloud.cloud_key(hub.at, facts) == "0xaa"
    assert [peer for peer, _ in hub.asked] == [Peer(*certificates.CONTROL)] * 2
    assert drop_facts.verify(hub.asked[0][1]["envelope"], keys.owner_public_pem()) == facts


def test_a_grant_that_it_will_never_take_is_told_at_once(hub: Hub) -> None:
    hub.answers = [{"error": {"code": "bad_claim", "message": "told with other facts"}}]
    with pytest.raises(NotVerified, match="told with other facts"):
        cloud.cloud_key(hub.at, FACTS)
    assert len(hub.asked) == 1


def test_its_last_word_is_told_where_there_is_no_key_in_time(hub: Hub) -> None:
    hub.answers = [BUSY]
    with pytest.raises(Unreachable, match="the keystore is warming") as fault:
        cloud.cloud_key(hub.at, FACTS)
    assert "edgedrop up" in fault.value.hint


def test_it_is_ready_when_it_tells_the_node_so(hub: Hub) -> None:
    hub.answers = [BUSY, {"ok": {"ready": False, "reason": "no lease yet"}}, {"ok": {"ready": True, "reason": ""}}]
    cloud.await_cloud_ready(hub.at, "lights", "quay-appliance1")
    assert {peer for peer, _ in hub.asked} == {Peer("lights", "quay-appliance1")}
    assert [request["op"] for _, request in hub.asked] == ["status"] * 3


def test_a_grant_is_closed_by_the_owners_command(hub: Hub) -> None:
    hub.answers = [{"ok": {"high_seqs": [3], "signature": b"\xbb"}}]
    assert cloud.close(hub.at, "quay-appliance1-cloud", b"command") == {"high_seqs": [3], "signature": "0xbb"}
    assert (hub.asked[0][1]["op"], hub.asked[0][1]["envelope"]) == ("close", b"command")
    hub.answers = [BUSY]
    with pytest.raises(Unreachable, match="did not close quay-appliance1-cloud: the keystore is warming"):
        cloud.close(hub.at, "quay-appliance1-cloud", b"command")


@pytest.mark.usefixtures("hub")
def test_a_cloud_signer_that_is_away_is_told() -> None:
    with pytest.raises(Unreachable, match="does not answer"):
        cloud.await_cloud_ready("127.0.0.1:9", "lights", "quay-appliance1")
