"""What of a node was changed by hand, in sentences. Pure: what was remembered and what is there go in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

BARE = "nothing of Edgedrop's is on it"


def drift(remembered: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """One line for each file, container and unit that is not as it was put there; sorted, so that it compares."""
    if not remembered:
        return [BARE]
    found = (
        *_files(remembered.get("files", {}), now["files"]),
        *_containers(remembered.get("containers", {}), now["containers"]),
        *(f"unit {unit}: down" for unit, active in now["units"].items() if not active),
    )
    return sorted(found)


def _files(put: Mapping[str, str], there: Mapping[str, str]) -> Iterator[str]:
    for path, digest in put.items():
        if path not in there:
            yield f"file {path}: gone"
        elif there[path] != digest:
            yield f"file {path}: edited"


def _containers(put: Mapping[str, Any], there: Mapping[str, Any]) -> Iterator[str]:
    for service, wanted in put.items():
        if service not in there:
            yield f"container {service}: gone"
        elif not there[service]["running"]:
            yield f"container {service}: stopped"
        elif there[service]["settings"] != wanted["settings"]:
            yield f"container {service}: other settings"
    yield from (f"container {service}: not of this node" for service in there if service not in put)
