"""`edgedrop doctor`: what this machine lacks or has wrong, and the command that mends it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.markup import escape

from infra.errors import MissingTool
from infra.ops.checks import Finding, findings
from infra.ops.output import answer, tell

COLOURS = {"ok": "green", "missing": "red", "wrong": "yellow"}


def doctor(as_json: Annotated[bool, typer.Option("--json", help="As JSON on stdout.")] = False) -> None:
    """Look at everything that Edgedrop needs here; changes nothing, ends with 3 where something is not ok."""
    found = findings()
    bad = [finding for finding in found if finding.state != "ok"]
    if as_json:
        tell({"healthy": not bad, "findings": [asdict(finding) for finding in found]})
    else:
        for finding in found:
            _show(finding)
    if bad:
        names = ", ".join(f"{finding.name} ({finding.state})" for finding in bad)
        raise MissingTool(f"not as needed: {names}", f"type: {bad[0].mend}")


def _show(finding: Finding) -> None:
    colour = COLOURS[finding.state]
    answer(f"[{colour}]{finding.state:<8}[/]{finding.name:<22}{escape(finding.found)}")
    if finding.mend:
        answer(f"{'':<8}type: {escape(finding.mend)}")
