"""What a re-image names is fetched from the hub into the agent's folder. It believes nothing of it: the door checks."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from nats.errors import Error as NatsError
from nats.js.errors import NotFoundError

from node_image.protocol import dsse, parcel
from node_image.protocol.command import HEX, Command, Reimage
from node_image.service import log

if TYPE_CHECKING:
    from nats.js import JetStreamContext

FETCH_S = 300.0


async def fetch(stream: JetStreamContext, folder: Path, envelope: bytes) -> None:
    """Whatever of it is on the hub and not here yet; what isn't there the door misses. Other commands name nothing."""
    action = _reimage(envelope)
    if action is None:
        return
    try:
        async with asyncio.timeout(FETCH_S):
            await _fetch(stream, folder, action)
    except (NatsError, OSError, TimeoutError) as fault:
        log("not all was fetched", level="warning", reason=f"{type(fault).__name__}: {fault}")


async def _fetch(stream: JetStreamContext, folder: Path, action: Reimage) -> None:
    named = (action.document, action.release)
    for name in named:
        await _file(stream, folder, name)
    for name in _missing(folder, named):
        await _file(stream, folder, name)


def _missing(folder: Path, named: tuple[str, ...]) -> list[str]:
    """Files of the document that are not here; what is no part of it goes."""
    wanted = {name: folder / name for name in _files(folder / named[0])}
    for old in folder.iterdir():
        if old.name not in wanted and old.name not in named:
            old.unlink()
    return sorted(name for name, path in wanted.items() if not path.exists() or _sha256(path) != name)


async def _file(stream: JetStreamContext, folder: Path, name: str) -> None:
    """All its parts; a file that is not on the hub is none of ours to have."""
    part, number, count = folder / f"{name}.part", 0, 1
    with part.open("wb") as file:
        while number < count and number * parcel.PART < parcel.MOST_BYTES:
            try:
                found = await stream.get_last_msg(parcel.STREAM, parcel.subject(name, number))
            except NotFoundError:
                break
            count = int((found.headers or {}).get(parcel.COUNT, "1"))
            file.write(found.data or b"")
            number += 1
    if number == count:
        part.replace(folder / name)
    else:
        part.unlink()


def _reimage(envelope: bytes) -> Reimage | None:
    with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        told = msgspec.json.decode(msgspec.json.decode(envelope, type=dsse.Envelope).payload, type=Command).action
        if isinstance(told, Reimage) and all(_is_digest(one) for one in (told.document, told.release)):
            return told
    return None


def _files(document: Path) -> Iterator[str]:
    with suppress(OSError, msgspec.DecodeError, UnicodeDecodeError):
        held = msgspec.json.decode(document.read_bytes(), type=dsse.Envelope).payload
        yield from filter(_is_digest, msgspec.json.decode(held, type=parcel.Document).files.values())


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _is_digest(text: str) -> bool:
    return HEX.fullmatch(text) is not None
