"""`edgedrop reimage`: what it refuses before it says a word to a box, and which release a node is to run."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from infra import overrides, release, stacks
from infra.errors import NotVerified
from infra.home import ROOT, home, place, write_private
from infra.ops.__main__ import main
from infra.ops.drops import plan_of
from infra.ops.prepare import prepare_drop
from infra.ops.reimaging.cargo import Cargo
from infra.slot import slot_document
from infra.stacks import Stack
from tests.unit.bundle.a_bundle import TinyImages, tiny_bundle, tiny_release, tiny_settings

DROP, NODE = "harbour-lights", "quay-appliance1"


@pytest.fixture
def typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[object, str]]:
    """A drop that is up as this machine knows it; a command line's exit code and all that it said."""
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path / "home"))
    stacks.save(Stack("lab", "lab", 16))
    file = str(ROOT / "inventory" / "drops" / "harbour-lights.yaml")
    stacks.save(Stack(DROP, "drop", 17, lab="lab", drop=DROP, drop_file=file, drop_stack=DROP))

    def run(*words: str) -> tuple[object, str]:
        monkeypatch.setattr(sys, "argv", ["edgedrop", "reimage", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        shown = capsys.readouterr()
        return ended.value.code, shown.out + shown.err

    return run


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["quay-nobody"], 2, "harbour-lights has no node quay-nobody"),
        (["quay-spare1"], 2, "is a spare: its containers are Pulumi's"),
        ([NODE, "--drop", "other"], 4, "stack other was never brought up"),
        ([NODE, "--release", "current", "--bundle", "x"], 2, "a bundle holds one release"),
        ([NODE, "--release", "newest"], 2, "newest names no release"),
        ([NODE, "--bundle", "/nowhere"], 2, "/nowhere is no folder"),
        ([NODE], 4, "lab lab holds no release yet"),
        ([], 2, "name nodes, or give --geo or --all"),
        ([NODE, "--all"], 2, "name nodes, or give --geo or --all"),
        (["--geo", "quay", "--all"], 2, "name nodes, or give --geo or --all"),
        (["--geo", "nowhere"], 2, "harbour-lights has no geography nowhere"),
        ([NODE, "quay-spare1"], 2, "quay-spare1 is a spare"),
        ([NODE, "--for", "soon"], 2, "--for soon"),
        ([NODE, "--for", "31d"], 2, "--for 31d"),
        (["--all", "--batch", "0"], 2, "--batch"),
        ([NODE, "--release", "0123456789"], 2, "0 releases here are named 0123456789"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    typed: Callable[..., tuple[object, str]], words: list[str], code: int, said: str
) -> None:
    ended, told = typed(*words, "--yes")
    assert (ended, said in told) == (code, True), told
    assert not list(home().glob("overrides/*")), "nothing was changed"


@pytest.mark.parametrize("words", [[NODE], [NODE, "--release", "current"], ["--all"]])
def test_an_override_that_is_not_the_owners_word_is_named_and_nothing_is_begun(
    typed: Callable[..., tuple[object, str]], words: list[str]
) -> None:
    made = tiny_release(TinyImages())
    write_private(place("releases", "current", "lab"), made.digest.encode())
    prepare_drop(stacks.load(DROP))
    overrides.put(DROP, "mole-appliance1", overrides.issue(DROP, "mole-appliance1", made.digest, "", 60))
    path = home() / "overrides" / DROP
    shutil.copy(path / "mole-appliance1.dsse.json", path / f"{NODE}.dsse.json")
    ended, told = typed(*words, "--yes")
    said = f"the override {DROP}/{NODE}.dsse.json does not verify: it is of mole-appliance1"
    assert (ended, said in told, "rm " in told) == (6, True, True), told


def test_a_bundle_that_may_not_be_used_is_refused_before_the_box_is_asked(
    typed: Callable[..., tuple[object, str]], tmp_path: Path
) -> None:
    tiny_bundle(tmp_path / "stick", tmp_path, drop="other")
    ended, told = typed(NODE, "--bundle", str(tmp_path / "stick"), "--yes")
    assert (ended, "it is for other, not for harbour-lights" in told) == (6, True), told
    tiny_bundle(tmp_path / "mine", tmp_path)
    ended, told = typed("mole-appliance1", "--bundle", str(tmp_path / "mine"), "--yes")
    assert (ended, "the bundle holds nothing for mole-appliance1" in told) == (2, True), told


@pytest.mark.usefixtures("typed")
def test_a_node_runs_what_its_drop_file_names_else_the_labs_current_release(tmp_path: Path) -> None:
    first, second = tiny_release(TinyImages()), tiny_release(TinyImages(), b"2")
    write_private(place("releases", "current", "lab"), first.digest.encode())
    assert release.wanted("lab", plan_of(stacks.load(DROP)).release) == first
    folder = tmp_path / "drops"
    folder.mkdir()
    (folder / DROP).symlink_to(ROOT / "inventory" / "drops" / DROP)
    text = (ROOT / "inventory" / "drops" / f"{DROP}.yaml").read_text()
    (folder / f"{DROP}.yaml").write_text(f"{text}release: {second.digest}\n")
    stacks.save(msgspec.structs.replace(stacks.load(DROP), drop_file=str(folder / f"{DROP}.yaml")))
    assert release.wanted("lab", plan_of(stacks.load(DROP)).release) == second
    with pytest.raises(NotVerified):
        release.wanted("lab", "0" * 64)


@pytest.mark.usefixtures("typed")
def test_a_secret_that_nobody_has_as_it_is_wanted_is_told(tmp_path: Path) -> None:
    images = TinyImages()
    made = tiny_release(images)
    settings = tiny_settings(made, tmp_path / "files")
    cargo = Cargo(slot_document(settings), made, images, b"", b"", settings.folder)
    assert cargo.file("nats.conf") == b"nats.conf: a secret"
    (settings.folder / "nats.conf").write_text("another")
    with pytest.raises(NotVerified, match=r"nats\.conf is neither on quay-appliance1 nor here"):
        cargo.file("nats.conf")
