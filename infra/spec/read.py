"""From a drop file to a DropFile: parsed once, every fault at once, each with its dotted path and line."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

from infra.errors import FaultyFile
from infra.spec.check import check_drop
from infra.spec.drop import DropFile, DropSpec
from infra.spec.fields import Frozen
from infra.spec.site import SiteSpec

Place = tuple[str | int, ...]


class Fault(NamedTuple):
    """One thing that is wrong, where, and what would be right."""

    place: Place
    message: str


# pydantic's words for the faults that people make most, in the words of a drop file.
_WORDS = {
    "extra_forbidden": "there is no such key",
    "missing": "is missing",
    "string_pattern_mismatch": "is not spelt as it must be ({pattern})",
}


def read_drop(path: Path, sites: Path | None = None) -> DropFile:
    """Read a drop file with the files it names; FaultyFile lists all that is wrong."""
    tree = _load(path)
    spec, faults = _parse(DropSpec, tree)
    assets: dict[str, tuple[str, ...]] = {}
    found: dict[str, SiteSpec] = {}
    if spec is not None:
        assets = {tier.name: _matching(path.parent, tier.assets) for tier in spec.tiers}
        found = _sites(spec, sites or path.parent.parent / "sites")
        faults = [Fault(place, message) for place, message in check_drop(spec, assets, found, path.parent)]
    if spec is None or faults:
        raise FaultyFile(_told(path, tree, faults), f"mend {path.name} as said above; nothing was changed")
    return DropFile(spec=spec, assets=assets, sites=found)


def _load(path: Path) -> Any:
    try:
        tree = YAML(typ="rt").load(path)
    except OSError as fault:
        raise FaultyFile(f"{path}: {fault.strerror}", "name a drop file that exists") from fault
    except MarkedYAMLError as fault:
        line = fault.problem_mark.line + 1 if fault.problem_mark else 1
        raise FaultyFile(f"{path.name}: (line {line}): {fault.problem}", "it must be YAML first") from fault
    if not isinstance(tree, dict):
        raise FaultyFile(f"{path.name}: (line 1): a drop file is a mapping of keys", "begin with `name:`")
    return tree


def _parse[T: Frozen](model: type[T], tree: Any) -> tuple[T | None, list[Fault]]:
    try:
        return model.model_validate(tree), []
    except ValidationError as invalid:
        return None, [Fault(error["loc"], _words(error)) for error in invalid.errors(include_url=False)]


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
    """Paths relative to the drop file, in the order of their names; none for a pattern that leaves the folder."""
    if pattern.startswith("/") or ".." in pattern.split("/"):
        return ()
    return tuple(sorted(str(file.relative_to(folder)) for file in folder.glob(pattern) if file.is_file()))


def _sites(spec: DropSpec, folder: Path) -> dict[str, SiteSpec]:
    """The site files that the geographies name and that exist; a faulty one is refused as itself."""
    found = {}
    for name in sorted({geo.site for geo in spec.geographies if geo.site}):
        file = folder / f"{name}.yaml"
        if file.exists():
            tree = _load(file)
            site, faults = _parse(SiteSpec, tree)
            if site is None:
                raise FaultyFile(_told(file, tree, faults), f"mend {file.name} as said above; nothing was changed")
            found[name] = site
    return found
