"""What several values of a site file tell together. Pure.

Each list is its sound entries by their index in the file, so that a faulty box hides no fault of another.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass

from infra.spec.check import Found
from infra.spec.site import BoxSpec, PartSpec, SlotSpec, UplinkSpec


@dataclass(frozen=True, slots=True)
class SiteParts:
    """`whole`: no box was faulty by itself, so what names a box that isn't here names one that isn't there."""

    boxes: Mapping[int, BoxSpec]
    slots: Mapping[int, SlotSpec]
    uplinks: Mapping[int, UplinkSpec]
    parts: Mapping[int, PartSpec]
    whole: bool


def check_site(parts: SiteParts) -> list[Found]:
    """Every contradiction, list by list."""
    boxes = parts.boxes.items()
    return [
        *_twice("uplinks", "name", {at: one.name for at, one in parts.uplinks.items()}),
        *_twice("slots", "name", {at: one.name for at, one in parts.slots.items()}),
        *_twice("boxes", "name", {at: box.name for at, box in boxes}),
        *_twice("boxes", "address", {at: (box.address, box.ssh_port) for at, box in boxes}),
        *_twice("boxes", "host_key", {at: box.host_key for at, box in boxes}),
        *_twice("boxes", "serial", {at: box.serial for at, box in boxes if box.serial}),
        *_twice("boxes", "slot", {at: box.slot for at, box in boxes if box.slot}),
        *(fault for at, box in boxes for fault in _slot(box, at, parts.slots)),
        *_parts(parts),
    ]


def _twice(place: str, key: str, values: Mapping[int, Hashable]) -> Iterator[Found]:
    """No value is repeated in words: the place says which."""
    first: dict[Hashable, int] = {}
    for at, value in values.items():
        if value in first:
            yield (place, at, key), f"is that of {place}[{first[value]}] already"
        first.setdefault(value, at)


def _slot(box: BoxSpec, at: int, slots: Mapping[int, SlotSpec]) -> Iterator[Found]:
    if box.slot is None:
        return
    slot = next((one for one in slots.values() if one.name == box.slot), None)
    if slot is None:
        there = ", ".join(one.name for one in slots.values()) or "there are none"
        yield ("boxes", at, "slot"), f"is not among slots ({there})"
    elif box.power_w is not None and box.power_w > slot.power_w:
        yield ("boxes", at, "power_w"), f"is {box.power_w}, more than the {slot.power_w} W of slot {slot.name}"


def _parts(parts: SiteParts) -> Iterator[Found]:
    there = [box.name for box in parts.boxes.values()]
    for at, part in parts.parts.items() if parts.whole else ():
        for index, name in enumerate(part.fits):
            if name not in there:
                yield ("spare_parts", at, "fits", index), f"there is no box {name}; the boxes are {', '.join(there)}"
