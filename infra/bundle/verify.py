"""Opens a bundle: nothing of it is used before all of it was verified, and a refusal leaves nothing behind.

TUF says whether it is the owner's, whole, not expired and no older than the last one that was used here; the rest is
that it holds what it says it is.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
from tuf.api.exceptions import (
    BadVersionNumberError,
    DownloadError,
    DownloadHTTPError,
    DownloadLengthMismatchError,
    ExpiredMetadataError,
    LengthOrHashMismatchError,
    RepositoryError,
    UnsignedMetadataError,
)
from tuf.api.metadata import Metadata, Root, TargetFile, Targets
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

from infra import keys
from infra import release as releases
from infra.bundle import images, signing, stick
from infra.bundle.stick import CONTENTS, METADATA, RELEASE, TARGETS, Contents
from infra.errors import BadUsage, NotVerified
from infra.home import place, write_private
from infra.release import Release
from infra.slot import ON_STICK, SlotDocument
from node_image.protocol.errors import ProtocolError

MOST_DOCUMENT = 1 << 20
REMEMBERED = ("targets.json", "snapshot.json", "timestamp.json")
ANEW = "make the bundle anew on the control side: edgedrop bundle"
WORDS = (
    (ExpiredMetadataError, "its time is over"),
    (BadVersionNumberError, "it is older than a bundle of this drop that was used here before"),
    (UnsignedMetadataError, "it is not signed by the owner's key"),
    (LengthOrHashMismatchError, "it was changed, or copied by half"),
    (DownloadLengthMismatchError, "it is longer than it says"),
    (DownloadHTTPError, "a part of it is missing"),
)


@dataclass(frozen=True, slots=True)
class Bundle:
    """One that was verified. Docker hashes once more what it takes of it."""

    folder: Path
    contents: Contents
    release: Release
    envelope: bytes  # the release as it was signed
    nodes: dict[str, SlotDocument]

    def file(self, digest: str) -> bytes:
        """A node's file, hashed again: between two readings a stick can be another one."""
        data = b"".join(self.blob("", digest))
        if hashlib.sha256(data).hexdigest() != digest:
            raise _refused("it was changed while it was used")
        return data

    def manifest(self, _name: str, digest: str) -> bytes:
        """An image's manifest."""
        return b"".join(self.blob(_name, digest))

    def blob(self, _name: str, digest: str) -> Iterator[bytes]:
        """A part of an image, or a node's file."""
        return stick.read(self.folder, f"{TARGETS}/{stick.blob_name(digest)}")


def open_bundle(folder: Path, drop: str | None = None, *, use: bool = False) -> Bundle:
    """The bundle, when it is what it says and for this drop (any, where none is named); NotVerified says why not.

    With `use` it is remembered as the newest of its drop: an older one is refused from then on.
    """
    if folder.is_symlink() or not folder.is_dir():
        raise BadUsage(f"{folder} is no folder", "name the bundle's folder on the stick")
    seen = place("bundles", drop or "any", "timestamp.json").parent
    with tempfile.TemporaryDirectory(dir=seen.parent) as work:
        trusted = Path(shutil.copytree(seen, Path(work) / "trusted"))
        try:
            found = _verified(folder, trusted, drop)
        except (RepositoryError, DownloadError) as fault:
            raise _refused(f"{_words(fault)} ({fault})") from fault
        except OSError as fault:
            raise _refused(f"{fault.filename}: {fault.strerror}") from fault
        if use:
            for name in REMEMBERED:
                write_private(seen / name, (trusted / name).read_bytes())
    return found


def _verified(folder: Path, trusted: Path, drop: str | None) -> Bundle:
    root = _Stick(folder).download_bytes(f"{METADATA}/1.root.json", UpdaterConfig().root_max_length)
    _owners(root)
    updater = Updater(
        str(trusted),
        METADATA,
        target_dir=None,
        fetcher=_Stick(folder),
        config=UpdaterConfig(prefix_targets_with_hash=False, max_root_rotations=0),
        bootstrap=root,
    )
    updater.refresh()
    targets = Metadata[Targets].from_file(str(trusted / "targets.json")).signed
    if targets.delegations is not None:
        raise _refused("it has others speak for it")
    files = targets.targets
    for name, told in files.items():
        _check(folder, name, told)
    return _holds(folder, files, drop)


def _owners(root: bytes) -> None:
    """The trust starts from the owner's key of this machine, not from what a stick calls a root."""
    owner = signing.owner_key(keys.owner_public_pem())
    try:
        found = Metadata[Root].from_bytes(root)
        found.verify_delegate("root", found)
    except (RepositoryError, ValueError) as fault:
        raise _refused(f"its root is damaged: {fault}") from fault
    for role in signing.BY_OWNER:
        if found.signed.roles[role].keyids != [owner.keyid] or found.signed.keys[owner.keyid] != owner:
            raise _refused("it is not signed by the owner's key")


def _check(folder: Path, name: str, told: TargetFile) -> None:
    """One file, read through."""
    if not stick.NAME.fullmatch(name):
        raise _refused(f"{name!r} has no place in a bundle")
    with _Stick(folder).download_file(f"{TARGETS}/{name}", told.length) as file:
        told.verify_length_and_hashes(file)


def _holds(folder: Path, files: dict[str, TargetFile], drop: str | None) -> Bundle:
    """Whether it is for this drop, and all that its documents name is in it."""

    def document(name: str) -> bytes:
        if name not in files or files[name].length > MOST_DOCUMENT:
            raise _refused(f"{name} is missing or too long")
        data = b"".join(stick.read(folder, f"{TARGETS}/{name}"))
        files[name].verify_length_and_hashes(data)
        return data

    try:
        contents = msgspec.json.decode(document(CONTENTS), type=Contents)
        if drop is not None and contents.drop not in (drop, ""):
            raise _refused(f"it is for {contents.drop}, not for {drop}")
        envelope = document(RELEASE)
        release = releases.read(envelope, contents.release)
        nodes = {
            name: msgspec.json.decode(document(stick.node_name(name)), type=SlotDocument) for name in contents.nodes
        }
    except (msgspec.DecodeError, ProtocolError) as fault:
        raise _refused(f"{fault}") from fault
    found = Bundle(folder, contents, release, envelope, nodes)
    missing = next((name for name in _wanted(found) if name not in files), None)  # a manifest is read after this
    if missing:
        raise _refused(f"{missing} is missing")
    return found


def _wanted(bundle: Bundle) -> Iterator[str]:
    """What must be there for the release and the nodes that it names."""
    for image in bundle.release.images.values():
        name, digest = images.split(image)
        yield stick.blob_name(digest)
        for part in images.parse(bundle.manifest(name, digest)).parts:
            yield stick.blob_name(part.digest)
    for name, node in bundle.nodes.items():
        told = (node.node, node.stack.partition(".")[0], node.release)  # a split drop's stacks: <drop>.<geo>
        if told != (name, bundle.contents.drop, bundle.contents.release):
            raise _refused(f"what it says of {name} is of something else")
        yield from (stick.blob_name(digest) for file, digest in node.files.items() if file in ON_STICK)


def _refused(why: str) -> NotVerified:
    return NotVerified(f"this bundle is refused: {why}", ANEW)


def _words(fault: Exception) -> str:
    return next((words for kind, words in WORDS if isinstance(fault, kind)), "it is no bundle of ours")


class _Stick(FetcherInterface):
    """TUF's way to the files of the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _fetch(self, url: str) -> Iterator[bytes]:
        try:
            yield from stick.read(self._folder, url)
        except FileNotFoundError as fault:
            raise DownloadHTTPError(f"{url} is not there", 404) from fault

    def fetch(self, url: str) -> Iterator[bytes]:
        """Without the library's wrapping: our own refusals say more."""
        return self._fetch(url)
