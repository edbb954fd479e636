"""`edgedrop site check` on the command line: which boxes, which hub, what it ends with and whom to call."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from socket import create_server

import pytest

from infra import stacks
from infra.errors import NotVerified, Unreachable
from infra.home import ROOT
from infra.ops import site
from infra.ops.__main__ import main
from infra.site.measured import Measured
from infra.spec import BoxSpec
from infra.stacks import Stack
from tests.unit.site.test_assess import PARTS

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICAE32lW/jREtf/8GCwR9JeNW0NUitcF614HuR7lOCmb"
Typed = Callable[..., tuple[object, str, str]]
GOOD = Measured({type(part): part for part in PARTS})


@pytest.fixture
def boxes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, object]:
    """What each box answers, or the fault met at it; which hub they were asked about, under `hub`."""
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    said: dict[str, object] = {"rack1-1": GOOD, "rack1-2": GOOD, "hub": None}

    def measure(box: BoxSpec, hub: str, heard: Callable[[str], None]) -> Measured:
        said["hub"] = hub
        heard("system")
        answer = said[box.name]
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, Measured)
        return answer

    monkeypatch.setattr(site, "measure", measure)
    return said


@pytest.fixture
def typed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], boxes: dict[str, object]
) -> Callable[..., tuple[object, str, str]]:
    """A command line: its exit code, what it answered, what it said."""
    assert boxes

    def run(*words: str) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["edgedrop", "site", "check", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        shown = capsys.readouterr()
        return ended.value.code, shown.out, shown.err

    return run


def test_a_site_that_can_do_all_ends_with_0(typed: Typed) -> None:
    code, out, err = typed("old-quay")
    assert code == 0
    assert "old-quay/rack1-1 at 192.0.2.11" in out
    assert "rack1-2: 18 pass" in err


def test_as_json_each_need_has_its_figure_reason_and_remedy(typed: Typed, boxes: dict[str, object]) -> None:
    boxes["rack1-2"] = Unreachable("rack1-2 at 192.0.2.12 does not answer: timed out", "is it on?")
    code, out, err = typed("old-quay", "--hub", "hub.example:7422", "--json")
    told = json.loads(out)
    assert (code, told["site"], told["hub"], told["passed"]) == (5, "old-quay", "hub.example:7422", False)
    assert boxes["hub"] == "hub.example:7422"
    first, second = told["boxes"]
    assert (first["box"], first["fault"], len(first["findings"])) == ("rack1-1", None, 18)
    assert all({"name", "state", "found", "wants", "why", "todo"} == one.keys() for one in first["findings"])
    assert (second["fault"], second["findings"]) == ("rack1-2 at 192.0.2.12 does not answer: timed out", [])
    assert "hint: is it on? Mara Holm is there: tel:+44 20 7946 0101" in err


def test_a_need_that_is_not_met_ends_with_7_and_says_why_and_what_to_do(typed: Typed, boxes: dict[str, object]) -> None:
    boxes["rack1-2"] = Measured({kind: part for kind, part in GOOD.told.items() if kind.__name__ != "Memory"})
    code, out, err = typed("old-quay")
    assert code == 7
    assert "error: not as needed: rack1-2 memory\nhint: stop what else runs there, or add memory\n" in err
    assert "a signer that is killed for memory sells nothing" in out


def test_a_strange_key_is_worse_than_a_silent_box_and_that_worse_than_a_need(
    typed: Typed, boxes: dict[str, object]
) -> None:
    boxes["rack1-1"] = Unreachable("rack1-1 is silent", "is it on?")
    boxes["rack1-2"] = NotVerified("rack1-2 shows another host key", "read it on site")
    code, _, err = typed("old-quay")
    assert code == 6
    assert "error: rack1-2 shows another host key\n" in err
    assert "rack1-1 is silent" in err


def test_one_box_alone_is_measured_without_the_place(typed: Typed) -> None:
    code, out, _ = typed("old-quay", "--box", "rack1-2", "--json")
    told = json.loads(out)
    assert code == 0
    assert ([one["box"] for one in told["boxes"]], told["findings"]) == (["rack1-2"], [])


def test_the_hub_is_the_bus_of_the_lab_that_is_up(typed: Typed, boxes: dict[str, object]) -> None:
    asked = []
    for slot in (None, 16):
        if slot:
            stacks.save(Stack(name="lab", kind="lab", slot=slot))
        assert typed("old-quay")[0] == 0
        asked.append(boxes["hub"])
    assert asked == ["", "10.16.0.4:7422"]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("atlantis",), 2, "there is no site file atlantis"),
        (("old-quay", "--box", "rack9"), 2, "old-quay has no box rack9\nhint: its boxes are rack1-1, rack1-2"),
        (("old-quay", "--hub", "hub.example"), 2, "--hub hub.example is no place"),
        (("old-quay", "--lab", "lab-x"), 4, "stack lab-x was never brought up"),
        (("old-quay", "--lab", "lights"), 2, "--lab lights is no lab"),
    ],
)
def test_what_cannot_be_meant_asks_nobody(
    words: tuple[str, ...], code: int, says: str, typed: Typed, boxes: dict[str, object]
) -> None:
    stacks.save(Stack(name="lights", kind="drop", slot=17))
    ended, out, err = typed(*words)
    assert (ended, out, boxes["hub"]) == (code, "", None)
    assert says in err


def test_a_faulty_site_file_is_told_with_its_lines(typed: Typed, boxes: dict[str, object], tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("name: x\nboxes:\n  - {name: a, address: 10.0.0.300}\n")
    code, _, err = typed(str(path))
    assert (code, boxes["hub"]) == (2, None)
    assert "boxes[0].host_key (line 3): is missing" in err


def test_what_speaks_no_ssh_is_told_in_words_and_never_with_a_traceback(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    with create_server(("127.0.0.1", 0)) as server:
        place = f"address: 127.0.0.1, ssh_port: {server.getsockname()[1]}"
        path.write_text(f"name: x\nboxes:\n  - {{name: a, {place}, host_key: {KEY}}}\n")
        told = os.environ | {"EDGEDROP_HOME": str(tmp_path / "home")}
        command = [sys.executable, "-m", "infra.ops", "site", "check", str(path), "--box", "a"]
        with subprocess.Popen(command, cwd=ROOT, env=told, stderr=subprocess.PIPE, text=True) as process:
            server.accept()[0].close()
            _, err = process.communicate(timeout=30)
    assert process.returncode == 5
    assert "error: a at 127.0.0.1 does not answer: " in err
    assert "Traceback" not in err
