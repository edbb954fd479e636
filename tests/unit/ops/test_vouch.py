"""`edgedrop journal vouch` and a real signer; what ssh and docker would reach is this machine."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from infra import epochs, keys, stacks
from infra.epochs import Recorded
from infra.home import ROOT
from infra.ops.__main__ import main
from infra.ops.drops import plan_of
from infra.plan.model import Lease
from infra.stacks import Stack
from node_image.protocol import journal
from node_image.protocol.journal import Kind
from node_image.signer.client import SignerClient, socket_of
from tests.drop_on_disk import Drop, make_drop, softhsm_missing

pytestmark = pytest.mark.skipif(bool(softhsm_missing()), reason=softhsm_missing())
NODE = "quay-appliance1"
SHIMS = {"ssh": 'for last; do :; done; exec sh -c "$last"', "docker": 'shift 3; exec "$@"'}


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Drop, subprocess.Popen[bytes]]]:
    """A drop that is up as this machine knows it, and the signer of one of its nodes."""
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path / "home"))
    stack = Stack("harbour-lights", "drop", 17, "lab", "harbour-lights", "", "harbour-lights")
    stack = msgspec.structs.replace(stack, drop_file=str(ROOT / "inventory" / "drops" / "harbour-lights.yaml"))
    stacks.save(stack)
    planned = next(one for one in plan_of(stack).nodes if one.name == NODE)
    drop = make_drop(tmp_path / "d", owner=keys.owner_pem())
    drop = replace(drop, facts=msgspec.structs.replace(drop.facts, drop="harbour-lights", grant_id=planned.grant_id))
    (drop.folder / "drop" / "drop.json").write_bytes(msgspec.json.encode(drop.facts))
    for name, text in SHIMS.items():
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
    places = f"{tmp_path / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    for name, value in (drop.environment() | {"PATH": places}).items():
        monkeypatch.setenv(name, value)
    process = drop.signer()
    try:
        key = str(drop.ask("address")["key"])
        asyncio.run(SignerClient(drop.socket).ask("lease", envelope=drop.lease(key)))
        yield drop, process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def node(served: tuple[Drop, subprocess.Popen[bytes]]) -> Drop:
    return served[0]


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[object, str]]:
    """A command line: its exit code, and all that it said."""

    def run(*words: str) -> tuple[object, str]:
        monkeypatch.setattr(sys, "argv", ["edgedrop", "journal", "vouch", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        shown = capsys.readouterr()
        return ended.value.code, shown.out + shown.err

    return run


def typed_on_the_page() -> list[str]:
    """The runbook's command, without its first words."""
    page = (ROOT / "docs" / "runbooks" / "journal-not-fresh.md").read_text()
    (line,) = (line for line in page.splitlines() if line.startswith("edgedrop journal vouch"))
    return line.split()[3:]


def test_a_node_without_a_hub_sells_by_the_owners_word(node: Drop, typed: Callable[..., tuple[object, str]]) -> None:
    assert typed(NODE)[0] == 2, "nobody is there to ask"
    code, said = typed(NODE, "--yes")
    assert (code, "quay-appliance1: vouched for; it can sell" in said) == (0, True), said
    assert "vouch only for the disk that was in it" in said
    told: dict[str, Any] = asyncio.run(SignerClient(node.socket).ask("status"))
    assert (told["ready"], told["time"]["source"]) == (True, "owner")
    (file,) = (node.folder / "journal").glob("*.journal")
    frames = journal.scan(file.read_bytes()).frames
    vouched = [frame for frame in frames if frame.kind is Kind.VOUCH]
    assert [frame.payload["frames"] for frame in vouched] == [vouched[0].seq]
    code, said = typed(*typed_on_the_page(), "--json")
    (told,) = json.loads(said)["epochs"]
    assert (code, told["epoch"], told["ready"]) == (0, 1, True), "said again it is no news, and asks nothing"
    for words, ends, says in (
        (("quay-nobody",), 2, "has no node quay-nobody"),
        ((NODE, "--epoch", "2"), 2, "has no epoch 2"),
        ((NODE, "--drop", "elsewhere"), 4, "elsewhere was never brought up from this machine"),
    ):
        code, said = typed(*words, "--yes")
        assert (code, says in said) == (ends, True), said


def test_each_epoch_that_waits_is_vouched_for_or_the_one_that_is_named(
    served: tuple[Drop, subprocess.Popen[bytes]], typed: Callable[..., tuple[object, str]]
) -> None:
    drop, process = served
    epochs.put("harbour-lights", NODE, Recorded(2, leases=(Lease(0, 5, 7, 0, 2**40 - 1),), done=True))
    code, said = typed(NODE, "--epoch", "2", "--yes")
    assert (code, "was told of no grant" in said) == (5, True), said
    process.kill()
    process.wait()
    rotated = drop.rotated(2)
    again = rotated.signer()
    try:
        rotated.ask("address", rotated.facts.later[0].grant_id)
        code, said = typed(NODE, "--epoch", "2", "--yes")
        assert (code, "epoch 2: " in said, "epoch 1" in said) == (0, True, False), said
        assert [fresh(rotated, epoch) for epoch in (1, 2)] == [False, True]
        code, said = typed(NODE, "--yes")
        assert (code, "epoch 1: 2 frames" in said, "epoch 2: 2 frames" in said) == (0, True, False), said
        assert [fresh(rotated, epoch) for epoch in (1, 2)] == [True, True]
    finally:
        again.kill()
        again.wait()


def fresh(drop: Drop, epoch: int) -> bool:
    """By the word of the epoch's signer."""
    client = SignerClient(socket_of(drop.socket, epoch))
    return bool(asyncio.run(client.ask("status"))["fresh"])
