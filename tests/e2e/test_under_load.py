"""A split drop's appliance is killed under 50 claims/s: no buyer sees it, no voucher is lost, none redeems twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.small_drop import write_small_drop
from tests.e2e.standing import Standing, labelled, sweep

pytestmark = pytest.mark.e2e

CLAIMS, PER_SECOND, SUPPLY = 500, 50, 1200  # the spare alone must have 400 left


def test_no_claim_fails_and_none_is_lost(shared: Standing, tmp_path: Path) -> None:
    file, stack = write_small_drop(tmp_path, "rush", SUPPLY), f"rush-{shared.run}"
    load = ("--claims", str(CLAIMS), "--per-second", str(PER_SECOND), "--json")
    place = ("--lab", shared.lab, "--file", str(file))
    try:
        shared.edgedrop("up", stack, *place, "--split", "--yes")
        there = {one["name"] for one in json.loads(shared.pulumi("stack", "ls", "--json").stdout)}
        assert {stack, f"{stack}.pier"} <= there
        done = shared.edgedrop("demo", stack, *place, *load, check=False)
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        (pier,) = told["sales"]
        assert (pier["claims"], pier["failed"], pier["lost"]) == (CLAIMS, 0, 0)
        assert set(pier["answered_by"]) == {"pier-appliance1", "pier-spare1"}
        assert pier["answered_by"]["pier-spare1"] > CLAIMS / 8
        assert told["report"]["agree"]
        assert told["report"]["geographies"][0]["redeemed"] == CLAIMS
        shared.edgedrop("down", stack, "--yes")
        assert labelled(stack) + labelled(f"{stack}.pier") == []
    finally:
        for name in (f"{stack}.pier", stack):
            sweep(name)
