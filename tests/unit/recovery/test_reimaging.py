"""A re-image by the bus on the box: what the door takes or refuses, and the unit that brings it to the installer."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from node_image.protocol import dsse, parcel
from node_image.protocol.command import Reimage, Rollback, Status
from node_image.recovery.answer import Answer
from node_image.recovery.work import Work
from tests.e2e.standing import wait_for
from tests.unit.recovery.box import NODE, OWNER, RESPONDER, STACK, FakeBox

INSTALLER, PUBLIC, SECRET = b"the installer", b"a drop's file", b"a password"
IMAGES = [f"10.16.0.3:5000/edgedrop/{one}@sha256:{'a' * 64}" for one in ("mint", "signer")]
SHIM = """#!/bin/sh
cd "$EDGEDROP_ROOT"
echo "$(basename "$0") $*" >> called
case "$*" in
*lacks*) cat > asked; cat lacks ;;
*pull*) [ -e hangs ] && sleep 60; [ -e no-registry ] && echo "no route to host" && exit 1 ;;
*stage*) cat > staged ;;
esac
exit 0
"""


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass(frozen=True, slots=True)
class Made:
    """A parcel as the agent leaves it; `signer` signs both documents."""

    stack: str = STACK
    node: str = NODE
    named: str = ""  # the release that the document names, where it is another one than the command's
    installer: bytes = INSTALLER
    signer: bytes = OWNER
    kind: str = parcel.SLOT_TYPE

    @property
    def release(self) -> bytes:
        return b'{"images":{}}'

    @property
    def document(self) -> bytes:
        files = {"drop.json": sha256(PUBLIC), "nats.conf": sha256(SECRET), parcel.INSTALLER: sha256(self.installer)}
        named = self.named or sha256(self.release)
        return msgspec.json.encode({"stack": self.stack, "node": self.node, "release": named, "files": files})

    def lay(self, box: FakeBox) -> Reimage:
        """Into the agent's folder; the command that names it."""
        document, release = sha256(self.document), sha256(self.release)
        spool = box.place.spool
        (spool / document).write_bytes(dsse.sign(self.kind, self.document, self.signer))
        (spool / release).write_bytes(dsse.sign(parcel.RELEASE_TYPE, self.release, self.signer))
        (spool / sha256(PUBLIC)).write_bytes(PUBLIC)
        return Reimage(release, document, again=False)


@pytest.fixture
def ready(box: FakeBox) -> FakeBox:
    """A box with an installer that lacks two images and the drop's file."""
    for name in ("docker", "systemctl", "systemd-run", "python3"):
        (box.place.root / "bin" / name).write_text(SHIM)
        (box.place.root / "bin" / name).chmod(0o755)
    box.place.installer.parent.mkdir(parents=True)
    box.place.installer.write_bytes(INSTALLER)
    lacks(box)
    return box


def lacks(box: FakeBox, refused: str = "", files: tuple[bytes, ...] = (PUBLIC,)) -> None:
    told = {"images": IMAGES, "files": [sha256(one) for one in files], "refused": refused}
    (box.place.root / "lacks").write_text(json.dumps(told))


def unit(box: FakeBox) -> None:
    """As systemd starts it."""
    words = [sys.executable, "-m", "node_image.recovery.reimage"]
    subprocess.run(words, env=box.env, check=True, timeout=60)


def told(box: FakeBox, number: int = 1000) -> dict[str, str]:
    found = box.tell(Status(), number).outcome
    assert found
    reimage: dict[str, str] = found.status["reimage"]
    return reimage


def done(answer: Answer) -> bool:
    return answer.outcome is not None and answer.outcome.ok


def refusal(answer: Answer) -> tuple[str, str]:
    assert answer.refused, answer
    return answer.refused.code, answer.refused.reason


def changed(box: FakeBox) -> list[str]:
    """What was told to do more than look."""
    return [words for words in box.called if not any(look in words for look in ("lacks", "ps --all", "is-active"))]


def test_what_is_whole_and_the_owners_is_left_to_its_unit_which_stages_it(ready: FakeBox) -> None:
    made = Made()
    assert done(ready.tell(made.lay(ready), 1))
    assert (ready.place.root / "asked").read_bytes() == made.document
    assert changed(ready) == ["systemctl start --no-block edgedrop-reimage.service"]
    assert told(ready)["doing"] == "fetching"
    for path in ready.place.spool.iterdir():
        path.unlink()  # what is to be done lies with root
    unit(ready)
    assert changed(ready)[1:] == [
        *(f"docker pull --quiet {image}" for image in IMAGES),
        "python3 /usr/local/lib/edgedrop/slots.pyz stage",
        "python3 /usr/local/lib/edgedrop/slots.pyz begin",
    ]
    with tarfile.open(ready.place.root / "staged") as tar:
        held = {name: tar.extractfile(name).read() for name in tar.getnames()}  # type: ignore[union-attr]
    assert held["slot.json"] == made.document
    assert held[f"files/{sha256(PUBLIC)}"] == PUBLIC
    assert set(held) == {"slot.json", "release.dsse.json", f"files/{sha256(PUBLIC)}"}
    assert told(ready, 1001) == {"release": sha256(made.release), "doing": "begun", "why": ""}
    assert not Work(ready.place).pending


def test_again_is_passed_on(ready: FakeBox) -> None:
    assert done(ready.tell(msgspec.structs.replace(Made().lay(ready), again=True), 1))
    unit(ready)
    said = [words for words in ready.called if "slots.pyz" in words]
    assert [words.rpartition("slots.pyz ")[2] for words in said] == ["lacks --again"] * 2 + ["stage --again", "begin"]


BAD = [
    ("not_verified", Made(signer=RESPONDER), "not signed by the owner's key"),
    ("not_verified", Made(kind=parcel.RELEASE_TYPE), "not application/vnd.edgedrop.slot"),
    ("not_verified", Made(stack="other-lights"), "on quay-appliance1 of other-lights"),
    ("not_verified", Made(node="quay-appliance2"), "on quay-appliance2"),
    ("not_verified", Made(named="b" * 64), "it puts bbbbbbbbbbbb"),
    ("other_installer", Made(installer=b"a newer one"), "installer is not the one"),
]


@pytest.mark.parametrize(("code", "made", "reason"), BAD, ids=[f"{n}-{one[0]}" for n, one in enumerate(BAD)])
def test_what_the_owner_did_not_sign_for_this_box_is_refused(
    ready: FakeBox, code: str, made: Made, reason: str
) -> None:
    found, why = refusal(ready.tell(made.lay(ready), 1))
    assert (found, reason in why) == (code, True), why
    assert changed(ready) == []
    assert not Work(ready.place).pending


def test_what_is_named_and_did_not_come_is_refused(ready: FakeBox) -> None:
    for number, name in enumerate(("document", "release"), 1):
        wanted = Made().lay(ready)
        (ready.place.spool / getattr(wanted, name)).unlink()
        code, why = refusal(ready.tell(wanted, number))
        assert (code, "is not here" in why) == ("not_verified", True)
    other = Made().lay(ready)
    (ready.place.spool / other.document).rename(ready.place.spool / ("c" * 64))
    code, why = refusal(ready.tell(msgspec.structs.replace(other, document="c" * 64), 3))
    assert (code, "another one than the command names" in why) == ("not_verified", True)


def test_secrets_stay_and_where_they_differ_it_says_what_is_missing(ready: FakeBox) -> None:
    lacks(ready, files=(PUBLIC, SECRET))
    code, why = refusal(ready.tell(Made().lay(ready), 1))
    assert (code, why.partition(":")[0]) == ("files_missing", "nats.conf")
    lacks(ready)
    wanted = Made().lay(ready)
    (ready.place.spool / sha256(PUBLIC)).write_bytes(b"changed")
    assert refusal(ready.tell(wanted, 2))[1].startswith("drop.json")


def test_root_follows_no_link_and_waits_for_no_pipe_of_the_agents(ready: FakeBox, tmp_path: Path) -> None:
    wanted, elsewhere = Made().lay(ready), tmp_path / "elsewhere"
    document = ready.place.spool / wanted.document
    document.rename(elsewhere)
    document.symlink_to(elsewhere)
    assert refusal(ready.tell(wanted, 1))[0] == "not_verified"
    document.unlink()
    os.mkfifo(document)
    assert refusal(ready.tell(wanted, 2))[0] == "not_verified"


def test_what_the_installer_refuses_is_refused_and_one_is_fetched_at_a_time(ready: FakeBox) -> None:
    lacks(ready, refused="release 0123 failed here before")
    assert refusal(ready.tell(Made().lay(ready), 1)) == ("not_taken", "release 0123 failed here before")
    (ready.place.root / "lacks").write_text("Traceback")
    assert refusal(ready.tell(Made().lay(ready), 2))[0] == "not_taken"
    lacks(ready)
    assert done(ready.tell(Made().lay(ready), 3))
    code, why = refusal(ready.tell(Made().lay(ready), 4))
    assert (code, "one is being fetched" in why) == ("not_taken", True)
    assert refusal(ready.tell(Rollback(), 5))[0] == "no_way_back"


def test_a_registry_that_is_away_is_told_and_nothing_is_staged(ready: FakeBox) -> None:
    (ready.place.root / "no-registry").touch()
    assert done(ready.tell(Made().lay(ready), 1))
    unit(ready)
    found = told(ready)
    assert (found["doing"], found["why"]) == ("failed", "docker pull: no route to host")
    assert sum("pull" in words for words in ready.called) == 3, "an uplink may falter"
    assert not any("stage" in words for words in ready.called)
    (ready.place.root / "no-registry").unlink()
    assert done(ready.tell(Made().lay(ready), 1001)), "and it may be told again"


def test_killed_in_the_midst_of_a_pull_it_begins_again(ready: FakeBox) -> None:
    (ready.place.root / "hangs").touch()
    assert done(ready.tell(Made().lay(ready), 1))
    words = [sys.executable, "-m", "node_image.recovery.reimage"]
    with subprocess.Popen(words, env=ready.env, start_new_session=True) as process:
        wait_for(lambda: any("pull" in one for one in ready.called), 20, "the pull")
        assert told(ready)["why"] == "image 1 of 2"
        os.killpg(process.pid, signal.SIGKILL)
    assert Work(ready.place).pending
    (ready.place.root / "hangs").unlink()
    unit(ready)
    assert told(ready, 1001)["doing"] == "begun"


def test_killed_when_it_had_begun_it_begins_nothing_twice(ready: FakeBox) -> None:
    assert done(ready.tell(Made().lay(ready), 1))
    ready.place.slots.mkdir(parents=True)
    state = {"phase": "trying", "release": sha256(Made().release), "why": ""}
    (ready.place.slots / "state.json").write_text(json.dumps(state))
    unit(ready)
    assert told(ready)["doing"] == "begun"
    assert not any("stage" in words for words in ready.called)
    unit(ready)
