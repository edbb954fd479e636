"""From what was measured and what the site file says to findings. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from infra.site.measured import Hub, Measured
from infra.site.needs import NEEDS, Need
from infra.site.verdicts import Case
from infra.spec.site import SiteSpec

UP_MBPS_A_BOX = 2  # 300 claims a second are 0.5 to 1.2 Mbit/s of journal
NAME_A_HUB = "name the lab that will serve it (--lab) or its bus (--hub <host>:<port>)"


@dataclass(frozen=True, slots=True)
class Finding:
    """One need: `open` is what nobody could tell, and no failure."""

    name: str
    state: Literal["pass", "fail", "open"]
    found: str
    wants: str
    why: str
    todo: str


def assess(case: Case, seen: Measured) -> tuple[Finding, ...]:
    """All needs of one box, in the table's order."""
    return tuple(_finding(need, case, seen) for need in NEEDS)


def assess_site(site: SiteSpec) -> tuple[Finding, ...]:
    """What the file alone tells of the place."""
    techs = [one.name for one in site.contacts if one.role == "field-tech"]
    fastest = max((one.up_mbps for one in site.uplinks), default=0)
    needed = UP_MBPS_A_BOX * len(site.boxes)
    return (
        Finding(
            "contacts",
            "pass" if techs else "fail",
            ", ".join(techs) or "no field-tech among contacts",
            "a field-tech who is reached there",
            "a box that is off needs hands",
            "add one to contacts in the site file",
        ),
        Finding(
            "uplink",
            "pass" if fastest >= needed else "fail",
            f"{fastest} Mbit/s up by the site file",
            f"{needed} Mbit/s up",
            "journals must reach the ledger as fast as the place sells",
            "order a faster line, or correct uplinks in the site file",
        ),
    )


def _finding(need: Need[Any], case: Case, seen: Measured) -> Finding:
    part = seen.part(need.kind)
    if part is not None:
        met, found = need.judge(part, case)
        state: Literal["pass", "fail", "open"] = "open" if met is None else "pass" if met else "fail"
        return Finding(need.name, state, found, need.wants, need.why, need.todo)
    if need.kind is Hub and Hub not in seen.why:
        return Finding(need.name, "open", "no hub is named", need.wants, need.why, NAME_A_HUB)
    why = seen.why.get(need.kind, "it said nothing")
    return Finding(need.name, "fail", f"not measured: {why}", need.wants, need.why, need.todo)
