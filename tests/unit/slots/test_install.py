"""Two slots, of which one is what runs: always the old release or the new one, whoever is killed and whenever."""

from __future__ import annotations

import errno
import hashlib
import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node_image.slots.content import Container, Faulty
from node_image.slots.decide import Phase
from node_image.slots.disk import Disk
from node_image.slots.install import Refused, alone
from tests.unit.slots.a_box import NEW, OLD, Box, Killed, a_box, container, document, killed_at, packed, tarred


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No power fails here: a kill between two steps is all there is, and thousands of syncs would take minutes."""
    monkeypatch.setattr("os.fsync", lambda _file: None)
    monkeypatch.setattr("os.posix_fallocate", lambda *_: None)


@pytest.fixture
def box(tmp_path: Path) -> Box:
    """One on which a play has put the old release."""
    return a_box(tmp_path)


def reimaged(box: Box, mark: str = "new", *, again: bool = False) -> Phase:
    box.installer.stage(packed(mark), again=again)
    box.installer.begin()
    return box.installer.go_on().phase


def test_a_good_release_is_committed(box: Box) -> None:
    assert box.runs() == {"old"}
    assert reimaged(box) is Phase.COMMITTED
    assert (box.runs(), box.remembered, box.tells()) == ({"new"}, [NEW], NEW)
    slots = box.folder / "lib" / "slots"
    assert (slots / "current").readlink() == Path("b")
    assert {name: json.loads((slots / name / "slot.json").read_text())["release"] for name in "ab"} == {
        "a": OLD,
        "b": NEW,
    }
    assert (slots / "b" / "release.dsse.json").exists()


def test_a_release_that_does_not_get_ready_is_rolled_back_and_not_tried_again(box: Box) -> None:
    box.engine.sick.add(container("mint", "new")["image"])
    assert reimaged(box) is Phase.ROLLED_BACK
    assert (box.runs(), box.remembered, box.tells()) == ({"old"}, [], OLD)
    state = box.installer.disk.load()
    assert (state.bad, state.why) == ((NEW,), "it is not ready: it is sick")
    with pytest.raises(Refused, match=r"failed here before \(it is not ready: it is sick\); --again"):
        reimaged(box)
    assert box.runs() == {"old"}
    box.engine.sick.clear()
    assert reimaged(box, again=True) is Phase.COMMITTED
    assert box.installer.disk.load().bad == ()


def test_from_a_bare_box_a_bad_release_leaves_a_bare_box(tmp_path: Path) -> None:
    box = a_box(tmp_path, bare=True)
    box.engine.sick.add(container("mint", "new")["image"])
    assert reimaged(box) is Phase.ROLLED_BACK
    assert box.engine.made == {}
    box.engine.sick.clear()
    assert reimaged(box, again=True) is Phase.COMMITTED
    assert box.runs() == {"new"}


def test_what_a_play_has_put_there_since_is_what_is_come_back_to(box: Box) -> None:
    assert reimaged(box) is Phase.COMMITTED
    for one in list(box.engine.made):
        box.engine.remove(one)
    played = a_box(box.folder / "again")
    box.engine.made, box.engine.seen = played.engine.made, played.engine.seen
    for service in ("bus", "signer", "mint"):
        (box.folder / "etc" / service / "drop.json").chmod(0o600)
        (box.folder / "etc" / service / "drop.json").write_text("old")
        (box.folder / "etc" / service / "env").write_text("MARK=old\n")
    box.engine.sick.add(container("mint", "new")["image"])
    assert reimaged(box) is Phase.ROLLED_BACK
    assert box.runs() == {"old"}


def went_back(box: Box) -> Phase:
    box.installer.go_back()
    return box.installer.go_on().phase


def test_it_goes_back_to_what_ran_before_and_forth_again(box: Box) -> None:
    with pytest.raises(Refused, match="no other release is on this box"):
        box.installer.go_back()
    assert reimaged(box) is Phase.COMMITTED
    assert (went_back(box), box.runs(), box.tells()) == (Phase.COMMITTED, {"old"}, OLD)
    assert (box.folder / "lib" / "slots" / "current").readlink() == Path("a")
    assert (went_back(box), box.runs(), box.tells()) == (Phase.COMMITTED, {"new"}, NEW)


def test_what_it_goes_back_to_is_judged_as_any_release_and_what_ran_comes_back(box: Box) -> None:
    assert reimaged(box) is Phase.COMMITTED
    box.engine.sick.add(container("mint", "old")["image"])
    assert (went_back(box), box.runs(), box.tells()) == (Phase.ROLLED_BACK, {"new"}, NEW)
    with pytest.raises(Refused, match=r"failed here before \(it is not ready: it is sick\)"):
        box.installer.go_back()


def test_there_is_no_way_back_to_what_never_ran_is_tried_failed_or_has_no_image(box: Box) -> None:
    box.installer.stage(packed("new"), again=False)
    with pytest.raises(Refused, match="staged and never ran"):
        box.installer.go_back()
    box.installer.begin()
    with pytest.raises(Refused, match="is being tried: wait"):
        box.installer.go_back()
    assert box.installer.go_on().phase is Phase.COMMITTED
    gone = container("signer", "old")["image"]
    box.engine.images.remove(gone)
    with pytest.raises(Refused, match=f"the image {gone} is not here"):
        box.installer.go_back()
    box.engine.images.add(gone)
    box.engine.named.remove("edgedrop-journal")
    with pytest.raises(Refused, match="journal is gone"):
        box.installer.go_back()
    assert box.runs() == {"new"}


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
def test_killed_at_any_step_of_going_back_it_is_the_one_or_the_other(tmp_path: Path, *, late: bool) -> None:
    for step in range(1, 120):
        box = a_box(tmp_path / str(step))
        assert reimaged(box) is Phase.COMMITTED
        with suppress(Killed), killed_at(box, step, late=late) as steps:
            went_back(box)
        assert box.installer.go_on().phase is Phase.COMMITTED
        assert box.runs() in ({"old"}, {"new"}), step
        assert box.tells() == (OLD if box.runs() == {"old"} else NEW), step
        assert (went_back(box), len(box.runs())) == (Phase.COMMITTED, 1), step
        if steps[0] < step:
            return
    raise AssertionError("it never came to its end")


def test_a_container_that_is_as_wanted_is_left_alone(box: Box) -> None:
    kept = box.engine.made["edgedrop-bus"]
    told = document("new", {"drop.json": hashlib.sha256(b"old").hexdigest()})
    told["containers"][0] = container("bus", "old")
    box.installer.stage(tarred({"slot.json": json.dumps(told).encode()}), again=False)
    box.installer.begin()
    assert box.installer.go_on().phase is Phase.COMMITTED
    assert box.engine.made["edgedrop-bus"] is kept
    assert box.engine.made["edgedrop-mint"]["Config"]["Image"].startswith("new/")


def test_a_changed_file_alone_makes_its_container_anew(box: Box) -> None:
    digest = hashlib.sha256(b"new").hexdigest()
    told = document("old", {"drop.json": digest}) | {"release": NEW}
    files = {"slot.json": json.dumps(told).encode(), f"files/{digest}": b"new"}
    box.installer.stage(tarred(files), again=False)
    box.installer.begin()
    assert box.installer.go_on().phase is Phase.COMMITTED
    assert {files["drop.json"] for files in box.engine.seen.values()} == {b"new"}


def count_steps(folder: Path, *, sick: bool) -> int:
    """Of a re-image from its begin on."""
    box = staged(folder, sick=sick)
    with killed_at(box, 0, late=False) as steps:
        box.installer.go_on()
    return steps[0]


def staged(folder: Path, *, sick: bool) -> Box:
    box = a_box(folder)
    if sick:
        box.engine.sick.add(container("mint", "new")["image"])
    box.installer.stage(packed("new"), again=False)
    box.installer.begin()
    return box


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("sick", [False, True], ids=["good", "bad"])
def test_killed_at_any_step_it_goes_on_to_the_new_or_the_old(tmp_path: Path, *, sick: bool, late: bool) -> None:
    number = count_steps(tmp_path / "count", sick=sick)
    assert number > 20
    for step in range(1, number + 1):
        box = staged(tmp_path / str(step), sick=sick)
        with suppress(Killed), killed_at(box, step, late=late):
            box.installer.go_on()
        state = box.installer.go_on()
        wanted = "old" if sick else "new"
        assert (state.phase, box.runs()) == (Phase.ROLLED_BACK if sick else Phase.COMMITTED, {wanted}), step
        assert box.tells() == (OLD if sick else NEW), step
        assert (box.folder / "lib" / "slots" / "current").readlink() == Path("a" if sick else "b"), step


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kills=st.lists(st.tuples(st.integers(1, 70), st.booleans()), max_size=6), sick=st.booleans())
def test_killed_again_and_again_it_is_the_old_or_the_new(
    tmp_path_factory: pytest.TempPathFactory, kills: list[tuple[int, bool]], sick: bool
) -> None:
    box = staged(tmp_path_factory.mktemp("box"), sick=sick)
    for step, late in kills:
        with suppress(Killed), killed_at(box, step, late=late):
            box.installer.go_on()
    state = box.installer.go_on()
    assert state.phase in (Phase.COMMITTED, Phase.ROLLED_BACK)
    assert box.runs() == ({"new"} if state.phase is Phase.COMMITTED else {"old"})
    assert not (sick and state.phase is Phase.COMMITTED)
    assert (NEW in state.bad) == (state.phase is Phase.ROLLED_BACK)


def test_killed_at_any_step_of_staging_what_runs_goes_on(tmp_path: Path) -> None:
    for step in range(1, 60):
        box = a_box(tmp_path / str(step))
        before = dict(box.engine.made)
        with suppress(Killed), killed_at(box, step, late=step % 2 == 0):
            box.installer.stage(packed("new"), again=False)
        assert box.engine.made == before
        box.installer.go_on()
        assert box.engine.made == before
        assert reimaged(box) is Phase.COMMITTED, step


def test_a_release_that_takes_the_box_down_is_given_up(box: Box) -> None:
    box.installer.stage(packed("new"), again=False)
    box.installer.begin()
    for _ in range(3):
        with suppress(Killed), killed_at(box, 6, late=False):
            box.installer.go_on()
    assert box.installer.go_on().phase is Phase.ROLLED_BACK
    assert box.runs() == {"old"}
    assert "begun 2 times and never came to its end" in box.installer.disk.load().why


def test_while_one_is_tried_no_other_is_taken(box: Box) -> None:
    box.installer.stage(packed("new"), again=False)
    box.installer.begin()
    with pytest.raises(Refused, match="is being tried"):
        box.installer.stage(packed("new"), again=True)
    with pytest.raises(Refused, match="nothing is staged"):
        box.installer.begin()


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda box: box.engine.named.clear(), "the volume edgedrop-journal with this node's journal is gone"),
        (lambda box: box.engine.images.remove(container("mint", "new")["image"]), "the image new/mint@sha256:new is"),
    ],
    ids=["journal gone", "image missing"],
)
def test_it_refuses_what_would_lose_something(box: Box, spoil: object, why: str) -> None:
    assert callable(spoil)
    spoil(box)
    with pytest.raises(Refused, match=why):
        box.installer.stage(packed("new"), again=False)
    assert box.runs() == {"old"}


def test_a_release_that_would_not_find_the_journal_is_refused(box: Box) -> None:
    told = document("new", {"drop.json": hashlib.sha256(b"new").hexdigest()})
    told["containers"][1]["binds"] = []
    files = {"slot.json": json.dumps(told).encode(), f"files/{hashlib.sha256(b'new').hexdigest()}": b"new"}
    with pytest.raises(Refused, match="keeps its journal in no volume, this node's is in edgedrop-journal"):
        box.installer.stage(tarred(files), again=False)


@pytest.mark.parametrize(
    "files",
    [
        {"../../etc/passwd": b"x"},
        {"files/../../x": b"x"},
        {"files/" + "0" * 64: b"not that"},
        {"slot.json": b"{"},
        {"slot.json": json.dumps(document("new", {"drop.json": "../x"})).encode()},
        {"slot.json": json.dumps(document("new", {"drop.json": "1" * 64})).encode()},
        {"slot.json": json.dumps(document("new", {"drop.json": "1" * 64}) | {"release": "x"}).encode()},
    ],
    ids=["path", "path in files", "other content", "no document", "no digest", "a file that is nowhere", "no release"],
)
def test_a_faulty_slot_is_refused(box: Box, files: dict[str, bytes]) -> None:
    with pytest.raises(Faulty):
        box.installer.stage(packed("new", **files), again=False)
    assert box.runs() == {"old"}
    assert reimaged(box) is Phase.COMMITTED


def test_a_slot_that_was_changed_is_not_run(box: Box) -> None:
    box.installer.stage(packed("new"), again=False)
    (path,) = (box.folder / "lib" / "slots" / "b" / "files").iterdir()
    path.write_bytes(b"other")
    box.installer.begin()
    assert box.installer.go_on().phase is Phase.ROLLED_BACK
    assert box.runs() == {"old"}
    assert "was changed" in box.installer.disk.load().why


def test_a_full_disk_rolls_back(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    box.installer.stage(packed("new"), again=False)
    box.installer.begin()
    real = Disk.lay_out

    def full(disk: Disk, name: str, one: Container) -> None:
        if name == "b":
            raise OSError(errno.ENOSPC, "No space left on device")
        assert not (disk.slots / "reserve").exists(), "it makes room for the old one"
        real(disk, name, one)

    monkeypatch.setattr(Disk, "lay_out", full)
    assert box.installer.go_on().phase is Phase.ROLLED_BACK
    assert box.runs() == {"old"}
    assert "No space left on device" in box.installer.disk.load().why


def test_what_the_box_has_is_not_asked_for(box: Box) -> None:
    digest = hashlib.sha256(b"old").hexdigest()
    told = document("new", {"drop.json": digest})
    box.installer.stage(tarred({"slot.json": json.dumps(told).encode()}), again=False)
    assert box.installer.disk.lacks(box.installer.disk.slot("b")) == []


def test_beside_a_play_nothing_is_staged(tmp_path: Path) -> None:
    lock = tmp_path / "play"
    with alone(wait=True, path=lock), pytest.raises(Refused, match="a play or another re-image is at work"):
        alone(wait=False, path=lock).__enter__()
    with alone(wait=False, path=lock):
        pass


def test_its_state_is_read_as_it_was_written(box: Box) -> None:
    box.installer.stage(packed("new"), again=False)
    state = box.installer.begin()
    assert box.installer.disk.load() == state
    assert state.before is not None
    assert replace(state, before=None).slot == "b"
