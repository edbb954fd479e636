"""From a drop file to a DropFile: parsed once, every fault at once, each with its dotted path and line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cryptography import x509
from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from infra.errors import FaultyFile
from infra.spec.check import check_drop
from infra.spec.check_site import SiteParts, check_site
from infra.spec.drop import DropFile, DropSpec
from infra.spec.fields import Frozen
from infra.spec.lab import LabFile, LabSpec
from infra.spec.site import BoxSpec, PartSpec, SiteSpec, SlotSpec, UplinkSpec
from infra.spec.sound import sound_entries, sound_parts

Place = tuple[str | int, ...]


class Fault(NamedTuple):
    """One thing that is wrong, where, and what would be right."""

    place: Place
    message: str


# pydantic's words for the faults that people make most, in the words of a drop file.
_WORDS = {
    "extra_forbidden": "there is no such key",
    "missing": "is missing",
    "too_short": "is empty; at least {min_length} is needed",
    "string_too_short": "is empty",
    "invalid_key": "a key is text; put it in quotes",
}


def read_drop(path: Path, sites: Path | None = None) -> DropFile:
    """Read a drop file with the files it names; FaultyFile lists all that is wrong."""
    tree = _load(path)
    spec, faults = _parse(DropSpec, tree)
    sound = sound_parts(tree)
    seen = spec or sound.spec
    assets = {tier.name: _matching(path.parent, tier.assets) for tier in seen.tiers}
    found = _sites(seen, sites or path.parent.parent / "sites")
    together = check_drop(seen, assets, found, path.parent)
    faults += [Fault(place, message) for place, message in (together if spec else sound.in_file(together))]
    if spec is None or faults:
        raise FaultyFile(_told(path, tree, faults), f"mend {path.name} as said above; nothing was changed")
    return DropFile(spec=spec, assets=assets, sites=found)


def read_site(path: Path) -> SiteSpec:
    """Read a site file; FaultyFile lists all that is wrong."""
    tree = _load(path)
    spec, faults = _parse(SiteSpec, tree)
    listed = tree.get("boxes")
    boxes = sound_entries(BoxSpec, listed)
    parts = SiteParts(
        boxes=boxes,
        slots=sound_entries(SlotSpec, tree.get("slots")),
        uplinks=sound_entries(UplinkSpec, tree.get("uplinks")),
        parts=sound_entries(PartSpec, tree.get("spare_parts")),
        whole=isinstance(listed, list) and len(boxes) == len(listed),
    )
    faults += [Fault(place, message) for place, message in check_site(parts)]
    if isinstance(tree.get("name"), str) and tree["name"] != path.stem:
        faults.append(Fault(("name",), f"is not the file's: a drop finds this site as {path.stem}"))
    if spec is None or faults:
        raise FaultyFile(_told(path, tree, faults), f"mend {path.name} as said above; nothing was changed")
    return spec


def read_lab(path: Path) -> LabFile:
    """The lab file with the file it names; where there is none, or it says nothing, all defaults. FaultyFile."""
    tree = _yaml(path) if path.exists() else None
    if tree is None:
        return LabFile()
    spec, faults = _parse(LabSpec, _mapping(path, tree))
    ca, says = _certificates(path.parent / spec.tsa.ca) if spec and spec.tsa else ("", "")
    faults += [Fault(("tsa", "ca"), says)] if says else []
    if spec is None or faults:
        raise FaultyFile(_told(path, tree, faults), f"mend {path.name} as said above; nothing was changed")
    return LabFile(spec=spec, tsa_ca=ca)


def _certificates(path: Path) -> tuple[str, str]:
    """The file's text, or what is wrong with it."""
    try:
        data = path.read_bytes()
        x509.load_pem_x509_certificates(data)
    except OSError as fault:
        return "", f"{path.name} is not there to read: {fault.strerror}"
    except ValueError:
        return "", f"{path.name} holds no PEM certificate"
    return data.decode(), ""


def _load(path: Path) -> Any:
    return _mapping(path, _yaml(path))


def _yaml(path: Path) -> Any:
    try:
        return YAML(typ="rt").load(path)
    except OSError as fault:
        raise FaultyFile(f"{path}: {fault.strerror}", "name a file that exists") from fault
    except MarkedYAMLError as fault:
        line = fault.problem_mark.line + 1 if fault.problem_mark else 1
        problem = str(fault.problem).partition(" with value")[0]  # of a key that stands twice: never its value
        raise FaultyFile(f"{path.name}: (line {line}): {problem}", "it must be YAML first") from fault
    except (YAMLError, UnicodeDecodeError) as fault:
        raise FaultyFile(f"{path.name}: (line 1): this is no text in UTF-8", "it must be YAML first") from fault


def _mapping(path: Path, tree: Any) -> Any:
    if not isinstance(tree, dict):
        raise FaultyFile(f"{path.name}: (line 1): it must be a mapping of keys", "begin with a key, such as `name:`")
    return tree


def _parse[T: Frozen](model: type[T], tree: Any) -> tuple[T | None, list[Fault]]:
    try:
        return model.model_validate(tree), []
    except ValidationError as invalid:
        errors = invalid.errors(include_url=False)
        return None, [Fault(_place(error["loc"]), _words(error)) for error in errors if not _follows(error, errors)]


def _place(loc: Place) -> Place:
    """Without pydantic's own mark of a mapping's key."""
    return tuple(part for part in loc if part != "[key]")


def _follows(error: Any, errors: Sequence[Any]) -> bool:
    """A list that is too short only because its entries are faulty is not a fault of its own."""
    depth = len(error["loc"])
    inside = (other for other in errors if len(other["loc"]) > depth and other["loc"][:depth] == error["loc"])
    return error["type"] == "too_short" and any(inside)


def _words(error: Any) -> str:
    """One sentence; the value itself is never repeated, it may be a secret in the wrong place."""
    words = _WORDS.get(error["type"])
    if words:
        return words.format(**error.get("ctx", {}))
    return str(error["msg"]).removeprefix("Value error, ").replace("Input should be", "should be")


def _told(path: Path, tree: Any, faults: list[Fault]) -> str:
    lines = [f"{_dotted(fault.place)} (line {line_of(tree, fault.place)}): {fault.message}" for fault in faults]
    count = f"{len(lines)} faults" if len(lines) > 1 else "1 fault"
    return "\n  ".join((f"{path.name} has {count}", *lines))


def _dotted(place: Place) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")


def line_of(tree: Any, place: Place) -> int:
    """The line where the place, or the nearest thing above it that exists, begins."""
    line = 1
    for part in place:
        try:
            marks = tree.lc.data[part]
            line = marks[0] + 1
            tree = tree[part]
        except (AttributeError, KeyError, IndexError, TypeError):
            break
    return line


def _matching(folder: Path, pattern: str) -> tuple[str, ...]:
    """Paths relative to the drop file, in the order of their names."""
    return tuple(sorted(str(file.relative_to(folder)) for file in folder.glob(pattern) if file.is_file()))


def _sites(spec: DropSpec, folder: Path) -> dict[str, SiteSpec]:
    """The site files that the geographies' boxes name and that exist; a faulty one is refused as itself."""
    names = sorted({ref.partition("/")[0] for geo in spec.geographies for ref in geo.boxes.values()})
    return {name: read_site(folder / f"{name}.yaml") for name in names if (folder / f"{name}.yaml").exists()}
