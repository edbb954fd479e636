"""What may not be used is refused with its reason, and nothing is remembered of it."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import rfc8785
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, Root, TargetFile, Targets

from infra import keys
from infra.bundle import signing, stick
from infra.bundle.verify import open_bundle
from infra.errors import BadUsage, NotVerified
from infra.home import home, write_private
from node_image.protocol import dsse
from tests.unit.bundle.a_bundle import DROP, NODE, sha256, tiny_bundle

LATER = 1000  # seconds


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path / "home"))


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """A bundle that may be used."""
    tiny_bundle(tmp_path / "stick", tmp_path)
    return tmp_path / "stick"


def test_a_good_one_says_what_it_is(good: Path) -> None:
    found = open_bundle(good, DROP, use=True)
    assert (found.contents.drop, list(found.nodes), found.nodes[NODE].release) == (DROP, [NODE], found.release.digest)
    assert found.file(found.nodes[NODE].files["drop.json"]) == b"drop.json"
    assert open_bundle(good, DROP) == found, "the same again is no older one"


def test_one_of_images_alone_is_for_any_drop(tmp_path: Path) -> None:
    tiny_bundle(tmp_path / "stick", tmp_path, drop="")
    assert open_bundle(tmp_path / "stick", DROP).nodes == {}


def blob(folder: Path) -> Path:
    """One of an image's parts."""
    return min((folder / "targets" / "blobs" / "sha256").iterdir())


def turn_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def grow(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"!")


def link(path: Path) -> None:
    """The same bytes from elsewhere."""
    outside = home().parent / f"outside-{path.name}"
    path.rename(outside)
    path.symlink_to(outside)


def pipe(path: Path) -> None:
    """Who reads it waits for ever."""
    path.unlink()
    os.mkfifo(path)


def resign(folder: Path, files: dict[str, TargetFile], now: int | None = None, days: float = 30) -> None:
    """As the owner would, with other contents."""
    for name, data in signing.signed(files, now or int(time.time()) + 1, days).items():
        (folder / "metadata" / name).write_bytes(data)


def targets(folder: Path) -> dict[str, TargetFile]:
    return Metadata[Targets].from_file(str(folder / "metadata" / "targets.json")).signed.targets


def with_target(folder: Path, path: str, data: bytes) -> None:
    """The owner signs one target more, or another one."""
    files = targets(folder)
    files[path] = TargetFile(len(data), {"sha256": sha256(data)}, path)
    place = folder / "targets" / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)
    resign(folder, files)


def without_target(folder: Path, path: str) -> None:
    files = targets(folder)
    del files[path]
    (folder / "targets" / path).unlink()
    resign(folder, files)


def edit(folder: Path, path: str, **fields: object) -> None:
    """The owner signs another document."""
    told = json.loads((folder / "targets" / path).read_bytes()) | fields
    with_target(folder, path, rfc8785.dumps(told))


def by_another_owner(folder: Path) -> None:
    """All of it made anew, well, with somebody else's key."""
    kept = home() / "keys" / "owner.pem"
    own = kept.read_bytes()
    write_private(kept, dsse.new_private_pem())
    resign(folder, targets(folder))
    write_private(kept, own)


def root_of_another(folder: Path) -> None:
    """The owner's key stands in it, another one may sign."""
    path = folder / "metadata" / "1.root.json"
    root = Metadata[Root].from_bytes(path.read_bytes())
    other = CryptoSigner(Ed25519PrivateKey.generate())
    root.signed.add_key(other.public_key, "targets")
    root.sign(_owner())
    path.write_bytes(root.to_bytes())


def _owner() -> CryptoSigner:
    key = serialization.load_pem_private_key(keys.owner_pem(), None)
    assert isinstance(key, Ed25519PrivateKey)
    return CryptoSigner(key)


def unsigned(folder: Path, role: str) -> None:
    path = folder / "metadata" / f"{role}.json"
    told = json.loads(path.read_bytes())
    told["signatures"] = []
    path.write_text(json.dumps(told))


def other_timestamp(folder: Path) -> None:
    """Its expiry put off by who has no key."""
    path = folder / "metadata" / "timestamp.json"
    told = json.loads(path.read_bytes())
    told["signed"]["expires"] = (datetime.now(UTC) + timedelta(days=400)).strftime("%Y-%m-%dT%H:%M:%SZ")
    path.write_text(json.dumps(told))


def release_by_another(folder: Path) -> None:
    signed = dsse.sign("application/vnd.edgedrop.release+json", b"{}", dsse.new_private_pem())
    with_target(folder, stick.RELEASE, signed)


def mixed(folder: Path) -> None:
    """The targets of one bundle under the snapshot of another."""
    older = (folder / "metadata" / "targets.json").read_bytes()
    resign(folder, targets(folder))
    (folder / "metadata" / "targets.json").write_bytes(older)


def flood(path: Path) -> None:
    """Endless data where a small document is expected."""
    path.write_bytes(b" " * 600_000)


CASES: list[tuple[str, Callable[[Path], object], str]] = [
    ("a bit of an image turned", lambda f: turn_a_bit(blob(f)), "changed, or copied by half"),
    ("a bit of the release turned", lambda f: turn_a_bit(f / "targets" / stick.RELEASE), "changed, or copied by half"),
    ("a bit of a node's document turned", lambda f: turn_a_bit(f / "targets/nodes" / f"{NODE}.json"), "changed"),
    ("a bit of the targets turned", lambda f: turn_a_bit(f / "metadata/targets.json"), "changed, or copied by half"),
    ("a bit of the root turned", lambda f: turn_a_bit(f / "metadata/1.root.json"), "root is damaged|owner's key"),
    ("a blob copied by half", lambda f: cut(blob(f)), "changed, or copied by half"),
    ("a blob that goes on", lambda f: grow(blob(f)), "longer than it says"),
    ("a snapshot that goes on", lambda f: grow(f / "metadata/snapshot.json"), "longer than it says|changed"),
    ("an endless timestamp", lambda f: flood(f / "metadata/timestamp.json"), "longer than it says"),
    ("an endless root", lambda f: flood(f / "metadata/1.root.json"), "longer than it says"),
    ("a blob is gone", lambda f: blob(f).unlink(), "missing"),
    ("a blob's name is a part's", lambda f: blob(f).rename(blob(f).with_name(f".{blob(f).name}.part")), "missing"),
    ("copied without its last file", lambda f: (f / "metadata/timestamp.json").unlink(), "missing"),
    ("no snapshot", lambda f: (f / "metadata/snapshot.json").unlink(), "missing"),
    ("no root", lambda f: (f / "metadata/1.root.json").unlink(), "missing"),
    ("no metadata", lambda f: shutil.rmtree(f / "metadata"), "missing"),
    ("an empty timestamp", lambda f: (f / "metadata/timestamp.json").write_bytes(b""), "no bundle of ours"),
    ("its time is over", lambda f: resign(f, targets(f), int(time.time()) - LATER, LATER / 2 / 86400), "time is over"),
    ("its time put off", other_timestamp, "not signed by the owner's key"),
    ("a timestamp nobody signed", lambda f: unsigned(f, "timestamp"), "not signed by the owner's key"),
    ("targets nobody signed", lambda f: unsigned(f, "targets"), "changed|not signed"),
    ("signed by another owner", by_another_owner, "not signed by the owner's key"),
    ("another may sign, too", root_of_another, "not signed by the owner's key"),
    ("targets of an older one", mixed, "changed, or copied by half"),
    ("a release that another signed", release_by_another, "not signed by the owner's key"),
    ("another release than it says", lambda f: edit(f, stick.CONTENTS, release="0" * 64), "it is another one"),
    ("for another drop", lambda f: edit(f, stick.CONTENTS, drop="other"), "it is for other, not for harbour-lights"),
    ("a node's document of another node", lambda f: edit(f, f"nodes/{NODE}.json", node="mole-appliance1"), "else"),
    ("a node's document of another drop", lambda f: edit(f, f"nodes/{NODE}.json", stack="other"), "something else"),
    ("a node's document of another release", lambda f: edit(f, f"nodes/{NODE}.json", release="0" * 64), "else"),
    ("a field that nobody knows", lambda f: edit(f, stick.CONTENTS, more=1), "unknown field"),
    ("a document that is signed for and gone", lambda f: without_target(f, f"nodes/{NODE}.json"), "is missing"),
    ("no contents", lambda f: without_target(f, stick.CONTENTS), "missing"),
    ("a path that leads out", lambda f: with_target(f, "../../../etc/cron.d/x", b"x"), "no place in a bundle"),
    ("an absolute path", lambda f: with_target(f, "blobs/sha256/../../x", b"x"), "no place in a bundle"),
    ("a name of no kind", lambda f: with_target(f, "run.sh", b"x"), "no place in a bundle"),
    ("a blob that is a link", lambda f: link(blob(f)), "no plain file"),
    ("metadata that is a link", lambda f: link(f / "metadata/timestamp.json"), "no plain file"),
    ("a folder that is a link", lambda f: link(f / "targets"), "no plain file"),
    ("a blob that is a pipe", lambda f: pipe(blob(f)), "no plain file"),
]


def everything(folder: Path) -> dict[str, bytes]:
    """All files, with what is in them."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("spoil", "reason"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_may_not_be_used_is_refused(good: Path, spoil: Callable[[Path], object], reason: str) -> None:
    spoil(good)
    before = everything(home())
    with pytest.raises(NotVerified, match=reason) as told:
        open_bundle(good, DROP, use=True)
    assert told.value.exit_code == 6
    assert everything(home()) == before


def test_an_older_one_is_refused_once_a_newer_one_was_used(good: Path, tmp_path: Path) -> None:
    older = tmp_path / "older"
    shutil.copytree(good, older)
    resign(good, targets(good), int(time.time()) + LATER)
    open_bundle(good, DROP)
    open_bundle(older, DROP)
    open_bundle(good, DROP, use=True)
    with pytest.raises(NotVerified, match="older than a bundle of this drop"):
        open_bundle(older, DROP)
    resign(older, targets(older), int(time.time()) + 2 * LATER)
    open_bundle(older, DROP)


def test_a_file_that_is_another_one_at_its_use_is_refused(good: Path) -> None:
    found = open_bundle(good, DROP)
    digest = found.nodes[NODE].files["drop.json"]
    turn_a_bit(good / "targets" / stick.blob_name(digest))
    with pytest.raises(NotVerified, match="changed while it was used"):
        found.file(digest)


def test_what_is_no_folder_is_bad_usage(good: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(good)
    for folder in (tmp_path / "nothing", tmp_path / "link", good / "targets" / stick.CONTENTS):
        with pytest.raises(BadUsage):
            open_bundle(folder)
