"""`edgedrop recover` and `edgedrop command` on a node that is ill: over a real bus, a real agent and a real door."""

from __future__ import annotations

import json
import shlex
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from infra import hub_bus, keys
from infra.errors import NotVerified
from infra.home import ROOT, place, write_private
from infra.ops import looking, recover, rungs
from infra.ops.__main__ import main
from infra.ops.looking import parse
from infra.provision import commands, power
from infra.stacks import Stack
from node_image.protocol import command as protocol
from node_image.recovery import clock, drained
from tests import redfish
from tests.e2e.hub_world import NATS
from tests.e2e.recover_world import World, world
from tests.e2e.standing import wait_for
from tests.unit.recovery.box import ACTIVATE, NODE, STACK

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not (ACTIVATE and NATS.exists()), reason="no nats-server or no systemd here"),
]
Typed = Callable[..., tuple[object, str, str]]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One for all tests."""
    with pytest.MonkeyPatch.context() as patch, world(tmp_path_factory.mktemp("world"), patch) as made:
        yield made


@pytest.fixture
def ill(node: World) -> World:
    """The node as it should be, its agent heard."""
    node.heal()
    return node


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Typed:
    """A command line: its exit code, its answer, what it said on the way."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["edgedrop", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        shown = capsys.readouterr()
        return ended.value.code, shown.out, shown.err

    return run


def recovered(typed: Typed, *words: str) -> tuple[object, dict[str, Any], str]:
    code, out, err = typed("recover", NODE, "--yes", "--json", *words)
    return code, json.loads(out) if out.strip() else {}, err


def test_a_node_that_is_well_is_left_alone(ill: World, typed: Typed) -> None:
    code, told, err = recovered(typed)
    assert (code, told["well"], told["steps"], ill.changed) == (0, True, [], []), err
    assert told["seen"]["inside"]["containers"] == dict.fromkeys(("bus", "signer", "mint", "courier"), "running")
    assert "nothing was to be done" in err


def test_a_hung_mint_is_restarted_by_a_signed_command(ill: World, typed: Typed) -> None:
    ill.flag("hung")
    assert typed("recover", NODE)[0] == 2, "nobody is there to ask"
    assert ill.changed == []
    code, told, err = recovered(typed)
    assert (code, [(one["kind"], one["way"], one["well"]) for one in told["steps"]]) == (0, [("mint", "bus", True)]), (
        err
    )
    assert ill.changed == ["docker restart --time 10 edgedrop-mint"]


def test_without_the_hub_it_goes_by_ssh(ill: World, typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_bus, "HUB_USER", "nobody")  # the bus lets nobody of that name in
    ill.flag("down-mint")
    ill.flag("down-courier")
    code, told, err = recovered(typed)
    assert (code, [(one["kind"], one["way"]) for one in told["steps"]]) == (0, [("stopped", "ssh")]), err
    assert ill.changed == [f"docker restart --time 10 edgedrop-{one}" for one in ("courier", "mint")]
    assert not told["seen"]["hub"]


def test_an_agent_that_died_is_started_and_heard(ill: World, typed: Typed) -> None:
    ill.kill_agent()
    code, told, err = recovered(typed)
    assert (code, [one["kind"] for one in told["steps"]], told["seen"]["agent"]) == (0, ["agent"], True), err


def test_a_dead_engine_is_restarted(ill: World, typed: Typed) -> None:
    ill.flag("no-engine")
    code, told, err = recovered(typed)
    assert (code, [(one["kind"], one["way"]) for one in told["steps"]]) == (0, [("engine", "bus")]), err


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing will help: not to be waited for."""
    monkeypatch.setattr("infra.ops.recover.PROVE_S", dict.fromkeys(rungs.KINDS, 0.1))
    monkeypatch.setattr(looking, "ANSWER_S", 0.4)


@pytest.mark.usefixtures("hurried")
def test_what_nothing_helps_is_climbed_as_far_as_was_said_and_told(ill: World, typed: Typed) -> None:
    ill.flag("hung")
    ill.flag("for-good")
    code, told, err = recovered(typed)
    assert (code, [one["kind"] for one in told["steps"]]) == (1, ["mint", "signer", "engine", "reboot"])
    assert ill.changed[-1].endswith("systemctl reboot")
    assert "no rung is left" in err
    ill.flag("no-engine")
    code, told, _ = recovered(typed, "--up-to", "services")
    assert (code, told["steps"]) == (1, [])


@pytest.mark.usefixtures("hurried")
def test_where_nothing_reaches_it_its_board_does(ill: World, typed: Typed, tmp_path: Path) -> None:
    for flag in ("hung", "for-good", "no-ssh"):
        ill.flag(flag)
    ill.kill_agent()
    code, told, err = recovered(typed)
    assert (code, told["steps"]) == (5, [])
    assert "somebody must go there" in err
    (tmp_path / "board").mkdir()
    with redfish.board(tmp_path / "board", "Off") as board:
        words = ("--bmc-url", board.url, "--bmc-user", redfish.USER, "--bmc-password-file", str(board.password_file))
        code, told, err = recovered(typed, *words)
        assert [(one["kind"], one["way"], one["fault"]) for one in told["steps"]] == [("power", "board", "")], err
        assert power.state(power.bmc(board.url, redfish.USER, board.password_file)) == "on"
    trail = json.loads(typed("audit", "--json")[1])
    assert {"recover: power"} <= {one["what"] for one in trail}
    assert typed("recover", NODE, "--bmc-url", "http://b")[0] == 2


def test_commands_one_by_one(ill: World, typed: Typed, tmp_path: Path) -> None:
    code, out, err = typed("command", NODE, "status")
    assert (code, "edgedrop-mint" in out) == (0, True), err
    code, _, err = typed("command", NODE, "logs", "--lines", "5")
    assert code == 0, err
    with tarfile.open(tmp_path / f"{NODE}.tar.gz") as archive:
        assert f"{NODE}/mint.log" in archive.getnames()
    assert typed("command", NODE, "restart", "mint", "--yes")[0] == 0
    assert ill.changed == ["docker restart --time 10 edgedrop-mint"]
    code, _, err = typed("command", NODE, "restart", "sshd", "--yes")
    assert (code, "unknown_service" in err) == (6, True)
    assert typed("command", NODE, "restart", "--yes")[0] == 2
    assert typed("command", NODE, "status", "mint")[0] == 2
    shared = ill.box.place.shared
    shared.mkdir(parents=True, exist_ok=True)
    assert typed("command", NODE, "drain", "--reason", "a new disk", "--yes")[0] == 0
    assert "drained: drained by the responder: a new disk" in typed("command", NODE, "status")[1]
    trail = json.loads(typed("audit", "--json")[1])
    assert [one["why"] for one in trail if one["what"] == "command: drain"] == ["a new disk"] * 2
    assert typed("command", NODE, "undrain", "--yes")[0] == 0
    assert drained.read(shared) == ""
    assert typed("command", NODE, "undrain", "--reason", "all is well", "--yes")[0] == 2
    assert typed("command", NODE, "drain", "--reason", "x" * 201, "--yes")[0] == 2
    assert typed("command", NODE, "reimage", "--leave", "60", "--yes")[0] == 2
    assert typed("command", NODE, "reboot", "--release", "current", "--yes")[0] == 2
    code, _, err = typed("command", NODE, "release-keys", "--yes")
    assert (code, "destroyed for good: enrol/quay-appliance1" in err) == (0, True), err
    given = (ill.box.place.root / "given").read_bytes()
    assert protocol.read(given, {"owner": keys.owner_public_pem()})[0].action == protocol.ReleaseKeys()
    assert typed("command", NODE, "restart", "courier", "--yes")[0] == 0
    code, out, err = typed("command", NODE, "status", "--json")
    assert json.loads(out)["acted"]["do"] == "restart", err


def test_what_is_left_for_a_box_that_is_away_is_done_when_it_is_back_and_knows_the_time(
    ill: World, typed: Typed
) -> None:
    ill.kill_agent()
    code, _, err = typed("command", NODE, "restart", "mint", "--leave", "60", "--yes")
    assert (code, "for 60 minutes" in err) == (0, True), err
    assert "command: restart, left there" in {one["what"] for one in json.loads(typed("audit", "--json")[1])}
    ill.start_agent()
    known = clock.interval().hi is not None
    wait_for(lambda: bool(ill.changed) if known else "clock_unknown" in ill.door_said, 20, "the command that was left")
    assert ill.changed == (["docker restart --time 10 edgedrop-mint"] if known else [])


def test_without_an_agent_a_command_says_so(ill: World, typed: Typed) -> None:
    ill.kill_agent()
    code, _, err = typed("command", NODE, "restart", "mint", "--yes")
    assert (code, "agent says nothing" in err) == (5, True)


def test_the_runbooks_commands_are_these(ill: World, typed: Typed) -> None:
    page = (ROOT / "docs" / "runbooks" / "recover.md").read_text()
    lines = [shlex.split(line)[1:] for line in page.splitlines() if line.startswith("edgedrop ")]
    told = [line[2] for line in lines if line[0] == "command"]
    assert (lines[0][0], told) == ("recover", ["logs", "restart", "drain", "undrain"])
    ill.box.place.shared.mkdir(parents=True, exist_ok=True)
    ill.flag("hung")
    Path("build").mkdir()
    for line in lines:
        code, _, err = typed(*line)
        assert code == 0, (line, err)
    assert ill.changed[0] == "docker restart --time 10 edgedrop-mint"


def test_a_name_that_node_yaml_does_not_know_is_no_service() -> None:
    rows = (
        "boot b1",
        "unit docker.service active",
        "container edgedrop-mint exited",
        "container edgedrop-$(id) exited",
    )
    found = parse("\n".join((*rows, "", "engine answers", "")))
    assert (found.boot, found.engine, found.stopped) == ("b1", True, ("mint",))
    assert found.units == {"docker.service": "active"}


@pytest.mark.parametrize(
    ("newest", "sequence"), [(0, 1000), (999, 1000), (1000, 1001), (1000 + commands.AHEAD_MS, 1001 + commands.AHEAD_MS)]
)
def test_a_sequence_is_the_time_and_above_what_was_taken(newest: int, sequence: int) -> None:
    assert commands.next_sequence(newest, 1000) == sequence


def test_a_sequence_can_not_be_spent_by_a_forged_answer() -> None:
    with pytest.raises(NotVerified, match="a time to come"):
        commands.next_sequence((1 << 53) - 2, 1_800_000_000_000)


def test_the_stack_is_named_where_there_are_several(ill: World, typed: Typed) -> None:
    assert ill.box
    assert typed("recover", "quay-nobody", "--yes")[0] == 2
    assert typed("recover", NODE, "--drop", STACK, "--yes")[0] == 0


def test_the_site_file_tells_the_board_of_a_box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path / "home"))
    write_private(place("keys", "bmc.old-quay.rack1-1"), b"a password\n")
    (tmp_path / "drops").mkdir()
    (tmp_path / "drops" / "harbour-lights").symlink_to(ROOT / "inventory" / "drops" / "harbour-lights")
    (tmp_path / "sites").symlink_to(ROOT / "inventory" / "sites")
    named = "{quay-spare1: old-quay/rack1-2, quay-appliance1: old-quay/rack1-1}"
    text = (ROOT / "inventory" / "drops" / "harbour-lights.yaml").read_text()
    file = tmp_path / "drops" / "own.yaml"
    file.write_text(text.replace("target: docker", f"target: ssh\n    boxes: {named}", 1))
    stack = Stack("own", "drop", 17, "lab", "own", str(file), "own")
    board = recover.board_at_site(stack, "quay-appliance1")
    assert (board and board.url.rstrip("/"), board and board.password) == ("https://192.0.2.111", "a password")
    assert recover.board_at_site(stack, "mole-appliance1") is None, "a box of our own has no board"
