"""The door as a process: each command at most once, whatever is killed or full meanwhile."""

from __future__ import annotations

import io
import json
import os
import signal
import tarfile
import time
from pathlib import Path

import pytest

from node_image.protocol.command import Action, Drain, Logs, Reboot, ReleaseKeys, Restart, Rollback, Status, Undrain
from node_image.recovery import drained
from node_image.recovery.memory import MAX_OPEN, OPEN_NS, Questions
from tests.unit.recovery.box import FakeBox, signed


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (Restart("mint"), "docker restart --time 10 edgedrop-mint"),
        (Restart("engine"), "systemctl restart docker.service"),
        (Reboot(), "systemd-run --on-active=2 --timer-property=AccuracySec=100ms systemctl reboot"),
    ],
)
def test_an_action_is_one_fixed_list_of_words(box: FakeBox, action: Action, words: str) -> None:
    told = box.tell(action, 1)
    assert (told.refused, box.called) == (None, [words])
    assert told.outcome
    assert told.outcome.ok
    assert told.newest
    assert (told.newest.sequence, told.newest.state, told.newest.by) == (1, "done", "responder")


def test_what_was_done_is_not_done_again(box: FakeBox) -> None:
    nonce = box.ask().nonce
    envelope = signed(Restart("mint"), 5, nonce=nonce)
    assert box.ask(envelope).outcome
    again = box.ask(envelope)
    assert again.refused
    assert (again.refused.code, len(box.called)) == ("replayed", 1)
    older = box.tell(Restart("signer"), 4)
    assert older.refused
    assert older.refused.code == "older"
    reused = box.tell(Restart("signer"), 6, nonce=nonce)
    assert reused.refused
    assert (reused.refused.code, len(box.called)) == ("stale_nonce", 1)


def test_killed_in_the_middle_it_is_begun_and_never_done_again(box: FakeBox) -> None:
    (box.place.root / "hangs").touch()
    envelope = signed(Restart("mint"), 7, nonce=box.ask().nonce)
    door = box.start(envelope)
    bound = time.monotonic() + 20
    while not box.called:
        assert time.monotonic() < bound
        time.sleep(0.05)
    during = box.ask()
    assert during.running
    assert during.newest
    assert during.newest.state == "begun"
    os.killpg(door.pid, signal.SIGKILL)
    door.wait()
    (box.place.root / "hangs").unlink()
    after = box.ask()
    assert not after.running
    assert after.newest
    assert (after.newest.sequence, after.newest.state) == (7, "begun"), "nobody knows whether it was done"
    looked = box.tell(Status(), 8)
    assert looked.newest
    assert (looked.newest.sequence, looked.acted) == (8, after.newest), "a look hides it from nobody"
    again = box.ask(envelope)
    assert again.refused
    assert (again.refused.code, sum("restart" in words for words in box.called)) == ("older", 1)


def test_what_fails_says_so_and_is_not_tried_again(box: FakeBox) -> None:
    (box.place.root / "fails").touch()
    told = box.tell(Restart("mint"), 1)
    assert told.outcome
    assert not told.outcome.ok
    assert told.outcome.said.endswith("no such thing")
    assert told.newest
    assert told.newest.state == "failed"


def test_where_it_can_not_be_remembered_nothing_is_done(box: FakeBox) -> None:
    box.place.memory.parent.mkdir(parents=True)
    box.place.memory.write_text("a file where the folder should be")
    told = box.ask(signed(Restart("mint"), 1))
    assert told.refused
    assert (told.refused.code, box.called) == ("not_remembered", [])


def test_a_damaged_memory_is_no_empty_one(box: FakeBox) -> None:
    assert box.tell(Status(), 1).outcome
    nonce = box.ask().nonce
    (box.place.memory / "taken.json").write_text('{"sequence"')
    told = box.ask(signed(Reboot(), 2, nonce=nonce))
    assert told.refused
    assert told.refused.code == "not_remembered"
    assert not any("reboot" in words for words in box.called)


def test_a_stranger_spends_no_question(box: FakeBox) -> None:
    nonce = box.ask().nonce
    forged = signed(Restart("mint"), 1, nonce=nonce).replace(b'"sig":"', b'"sig":"AAAA')
    refused = box.ask(forged).refused
    assert refused
    assert refused.code in {"not_signed", "no_envelope"}
    assert box.tell(Restart("mint"), 1, nonce=nonce).outcome


def test_questions_are_few_and_short(tmp_path: Path) -> None:
    questions = Questions(tmp_path)
    drawn = [questions.draw() for _ in range(MAX_OPEN + 1)]
    assert questions.open() == set(drawn[1:]), "the oldest is forgotten"
    questions.spend(drawn[1])
    questions.spend("../../etc/passwd")
    assert questions.open() == set(drawn[2:])
    late = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - OPEN_NS
    (tmp_path / "nonces" / drawn[2]).write_text(str(late))
    assert questions.open() == set(drawn[3:])


def test_a_bundle_holds_each_log_and_fits_into_a_message(box: FakeBox) -> None:
    told = box.tell(Logs(50), 1)
    assert told.outcome
    with tarfile.open(fileobj=io.BytesIO(told.outcome.bundle)) as archive:
        names = {name.rpartition("/")[2] for name in archive.getnames()}
    assert names == {
        f"{one}.log"
        for one in ("mint", "signer", "courier", "docker.service", "edgedrop-recovery.service", "edgedrop-watch.timer")
    }
    assert "docker logs --timestamps --tail 50 edgedrop-mint" in box.called


BACK = "systemd-run --quiet --collect --wait --pipe python3 /usr/local/lib/edgedrop/slots.pyz back"


def test_what_the_installer_says_of_a_rollback_is_told(box: FakeBox) -> None:
    (box.place.root / "says").write_text(json.dumps({"phase": "trying", "release": "ab" * 32}))
    told = box.tell(Rollback(), 1)
    assert (told.refused, box.called) == (None, [BACK])
    assert told.newest
    assert (told.newest.state, told.newest.said.partition(";")[0]) == ("done", "release abababababab is being tried")
    box.place.slots.mkdir(parents=True)
    state = {"phase": "rolled back", "release": "ab" * 32, "why": "it is sick"}
    (box.place.slots / "state.json").write_text(json.dumps(state | {"tries": 1}))
    looked = box.tell(Status(), 2)
    assert looked.outcome
    assert looked.outcome.status["slots"] == state


def test_where_there_is_no_way_back_it_is_refused_and_remembered(box: FakeBox) -> None:
    (box.place.root / "fails").touch()
    told = box.tell(Rollback(), 1)
    assert told.refused
    assert told.newest
    assert (told.refused.code, told.refused.reason, told.outcome) == ("no_way_back", "no such thing", None)
    assert (told.newest.state, told.newest.said) == ("failed", "no_way_back: no such thing")


GIVE_UP = "docker exec -i edgedrop-signer python3 -m node_image.signer give-up"


def test_the_signer_is_given_the_owners_own_word(box: FakeBox) -> None:
    says = box.place.root / "says"
    says.write_text(json.dumps({"refused": {"code": "not_closed", "reason": "edgedrop closeout"}}))
    refused = box.tell(ReleaseKeys(), 1)
    assert refused.refused
    assert (refused.refused.code, refused.refused.reason) == ("not_closed", "edgedrop closeout")
    says.write_text(json.dumps({"keys": ["enrol/quay-appliance1", "lights/quay-appliance1/1"]}))
    nonce = box.ask().nonce
    envelope = signed(ReleaseKeys(), 2, nonce=nonce)
    told = box.ask(envelope)
    assert told.newest
    assert (told.newest.state, told.newest.by, box.called) == ("done", "owner", [GIVE_UP] * 2)
    assert "enrol/quay-appliance1, lights/quay-appliance1/1" in told.newest.said
    assert (box.place.root / "given").read_bytes() == envelope
    (box.place.root / "fails").touch()
    away = box.tell(ReleaseKeys(), 3)
    assert away.outcome
    assert (away.outcome.ok, away.outcome.said) == (False, "the signer was not reached: no such thing")


def drained_says(box: FakeBox) -> str:
    told = box.tell(Status(), time.time_ns() // 1000)
    assert told.outcome
    return str(told.outcome.status["drained"])


def test_a_drained_node_says_so_until_it_is_told_otherwise(box: FakeBox) -> None:
    shared = box.place.shared
    shared.mkdir(parents=True)
    done = box.tell(Drain("a new disk"), 1)
    assert done.newest
    assert (done.newest.state, box.called) == ("done", []), "no program is needed for it"
    assert drained.read(shared) == drained_says(box) == "drained by the responder: a new disk"
    for said in ("it takes claims again", "it was not drained"):
        told = box.tell(Undrain(), time.time_ns() // 1000)
        assert told.newest
        assert (told.newest.state, told.newest.said) == ("done", said)
    assert drained_says(box) == ""


def test_without_the_services_folder_nothing_is_drained(box: FakeBox) -> None:
    told = box.tell(Drain(""), 1)
    assert told.newest
    assert (told.newest.state, "No such file" in told.newest.said) == ("failed", True)


def test_root_follows_no_link_in_the_services_folder(box: FakeBox, tmp_path: Path) -> None:
    shared, victim = box.place.shared, tmp_path / "victim"
    shared.mkdir(parents=True)
    victim.write_text("kept")
    for name in (drained.FILE, drained.PART):
        (shared / name).symlink_to(victim)
    assert box.tell(Drain(""), 1).outcome
    assert victim.read_text() == "kept"
    assert not (shared / drained.FILE).is_symlink()
    box.place.shared.rename(tmp_path / "elsewhere")
    shared.symlink_to(tmp_path / "elsewhere")
    told = box.tell(Undrain(), 2)
    assert told.outcome
    assert not told.outcome.ok


def test_a_status_says_what_runs(box: FakeBox) -> None:
    told = box.tell(Status(), 1)
    assert told.outcome
    assert told.outcome.status["containers"]["edgedrop-mint"] == "running"
    assert told.outcome.status["disk_free_mb"] > 0
