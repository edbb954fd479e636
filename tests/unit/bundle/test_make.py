"""A stick is filled once: what is on it whole is not copied again, what is on it by half is never taken for whole."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from infra import keys, release
from infra.bundle.verify import open_bundle
from infra.errors import BadUsage, NotVerified
from infra.home import place, write_private
from infra.ops.__main__ import main
from tests.unit.bundle.a_bundle import DROP, TinyImages, tiny_bundle, tiny_release


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path / "home"))


def test_a_killed_run_goes_on_where_it_stood(tmp_path: Path) -> None:
    images, folder = TinyImages(), tmp_path / "stick"
    made = tiny_release(images)
    last = list(made.images.values())[-1].partition("@")[2]
    images.cut.append(max(digest for digest in images.held if digest != last and digest.encode() in images.held[last]))
    with pytest.raises(KeyboardInterrupt):
        tiny_bundle(folder, tmp_path, images=images)
    with pytest.raises(NotVerified, match="missing"):
        open_bundle(folder, DROP)
    before, half = set(images.asked[:-1]), images.cut.pop()
    images.asked.clear()
    tiny_bundle(folder, tmp_path, images=images)
    assert not before & set(images.asked)
    assert half in images.asked
    assert open_bundle(folder, DROP).release == made
    assert not list(folder.rglob("*.part"))


def test_what_a_stick_has_lost_is_copied_again(tmp_path: Path) -> None:
    images, folder = TinyImages(), tmp_path / "stick"
    tiny_bundle(folder, tmp_path, images=images)
    lost = max((folder / "targets" / "blobs" / "sha256").iterdir(), key=lambda path: path.name in str(images.asked))
    lost.write_bytes(lost.read_bytes()[:-1])
    images.asked.clear()
    tiny_bundle(folder, tmp_path, images=images)
    assert images.asked == [f"sha256:{lost.name}"]
    open_bundle(folder, DROP)


def test_another_release_in_its_place_leaves_nothing_of_the_first(tmp_path: Path) -> None:
    first = tiny_bundle(tmp_path / "stick", tmp_path)
    both = tiny_bundle(tmp_path / "stick", tmp_path, mark=b"2")
    alone = tiny_bundle(tmp_path / "other", tmp_path, mark=b"2")
    assert set(both) == set(alone) != set(first)


def test_no_secret_lies_on_a_stick(tmp_path: Path) -> None:
    files = tiny_bundle(tmp_path / "stick", tmp_path)
    held = b"".join(files.values())
    for secret in (b"a secret", b"PRIVATE KEY", keys.bus_secret().encode()):
        assert secret not in held
    assert b"drop.json" in files.values()


def test_a_source_that_gives_something_else_is_refused(tmp_path: Path) -> None:
    images = TinyImages()
    tiny_release(images)
    images.lies.append(next(digest for digest, data in images.held.items() if data == b"shared"))
    with pytest.raises(NotVerified, match="is not what its name says"):
        tiny_bundle(tmp_path / "stick", tmp_path, images=images)
    assert not list((tmp_path / "stick").rglob("*.part"))


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"cat")
    with pytest.raises(BadUsage, match=r"holds other things: cat\.jpg"):
        tiny_bundle(tmp_path / "photos", tmp_path)
    with pytest.raises(BadUsage, match="is no folder"):
        tiny_bundle(tmp_path / "photos" / "cat.jpg", tmp_path)


def test_a_release_is_named_by_its_first_digits() -> None:
    first, second = tiny_release(TinyImages()), tiny_release(TinyImages(), b"2")
    write_private(place("releases", "current", "lab"), first.digest.encode())
    assert release.named("lab", "current") == first
    assert release.named("lab", second.digest[:8]) == second
    for name in ("latest", "../../etc", "0" * 12, "abc"):
        with pytest.raises(BadUsage):
            release.named("lab", name)


def test_the_command_says_whether_a_bundle_may_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = _typed(monkeypatch, capsys)
    tiny_bundle(tmp_path / "stick", tmp_path)
    code, said = typed("check", str(tmp_path / "stick"), "--drop", DROP)
    assert (code, "good: release" in said, "what holds a secret is not on it" in said) == (0, True, True)
    code, said = typed("check", str(tmp_path / "stick"), "--drop", "other")
    assert (code, "error: this bundle is refused: it is for harbour-lights, not for other" in said) == (6, True)
    assert typed("check", str(tmp_path / "nothing"))[0] == 2
    assert typed("current", "--out", str(tmp_path / "new"), "--drop", "unknown")[0] == 4
    assert typed("current", "--out", str(tmp_path / "new"), "--days", "0")[0] == 2
    assert not (tmp_path / "new").exists()


def _typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[object, str]]:
    def run(*words: str) -> tuple[object, str]:
        monkeypatch.setattr(sys, "argv", ["edgedrop", "bundle", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        shown = capsys.readouterr()
        return ended.value.code, shown.out + shown.err

    return run
