"""The sound parts of a drop file that has faults: what they tell together is checked in the same reading."""

from __future__ import annotations

from typing import Any, NamedTuple

from pydantic import ValidationError

from infra.spec.check import Found
from infra.spec.drop import (
    DEV_CHAIN,
    DropSpec,
    GeographySpec,
    HolderSpec,
    LeasesSpec,
    RoyaltySpec,
    TierSpec,
    WindowSpec,
)
from infra.spec.fields import Frozen

# Stands in for a window that is faulty itself: nothing to say against it.
_ANY_WINDOW = WindowSpec.model_construct(opens_at=0, closes_at=1, redeem_by=2)


class Sound(NamedTuple):
    """`spec` holds sound entries only; `places` says where they stand in the file, `whole` which lists are complete."""

    spec: DropSpec
    places: dict[str, list[int]]
    whole: frozenset[str]

    def in_file(self, found: list[Found]) -> list[Found]:
        """The faults at their places in the file, without those of a list that misses its unsound entries."""
        return [(self._place(place), says) for place, says in found if len(place) > 1 or place[0] in self.whole]

    def _place(self, place: tuple[str | int, ...]) -> tuple[str | int, ...]:
        match place:
            case (str(name), int(index), *rest) if name in self.places:
                return (name, self.places[name][index], *rest)
        return place


def sound_parts(tree: Any) -> Sound:
    """From YAML as it was read."""
    tiers = sound_entries(TierSpec, tree.get("tiers"))
    geographies = sound_entries(GeographySpec, tree.get("geographies"))
    holders = sound_entries(HolderSpec, tree.get("holders"))
    skus = tree.get("skus")
    spec = DropSpec.model_construct(
        name="",
        title="",
        symbol="",
        chain_id=DEV_CHAIN,
        window=_one(WindowSpec, tree.get("window")) or _ANY_WINDOW,
        skus={code: name for code, name in skus.items() if isinstance(code, str)} if isinstance(skus, dict) else {},
        tiers=tuple(tiers.values()),
        holders=tuple(holders.values()),
        royalty=_one(RoyaltySpec, tree.get("royalty")),
        leases=LeasesSpec(),
        geographies=tuple(geographies.values()),
    )
    kept = {"tiers": list(tiers), "geographies": list(geographies), "holders": list(holders)}
    return Sound(spec, kept, frozenset(name for name, at in kept.items() if at and len(at) == len(tree[name])))


def sound_entries[T: Frozen](model: type[T], entries: Any) -> dict[int, T]:
    """By their index in the file."""
    listed = entries if isinstance(entries, list) else []
    return {at: sound for at, entry in enumerate(listed) if (sound := _one(model, entry)) is not None}


def _one[T: Frozen](model: type[T], entry: Any) -> T | None:
    """An unknown key is told already: without it the entry may be sound."""
    try:
        return model.model_validate(entry, extra="ignore")
    except ValidationError:
        return None
