"""A drop on real parts: it stands, it stays as it is, it mends what was broken and only that, it sells, it goes away."""

from __future__ import annotations

import asyncio
import json
import re

import httpx
import pytest

from infra.ops.claimant import Claim, check_voucher, claim_all, new_claims
from tests.e2e.standing import Standing, docker, wait_for

pytestmark = pytest.mark.e2e


def front(standing: Standing, geo: str) -> str:
    """The address of a geography's front."""
    outputs = json.loads(standing.pulumi("stack", "output", "--json").stdout)
    return str(outputs[f"front_{geo}"]).rstrip("/")


def claims_at(standing: Standing, geo: str, count: int, per_second: float) -> list[Claim]:
    """Claims of the free tiers through the front of one geography."""
    url = front(standing, geo)
    tiers = [tier for tier in httpx.get(f"{url}/v1/drop", timeout=5).json()["tiers"] if int(tier["price_wei"]) == 0]
    claims = new_claims(geo, tiers, count)
    asyncio.run(claim_all(url, claims, per_second))
    return claims


def changed_nothing(printed: str) -> bool:
    """Whether Pulumi's summary names no change at all."""
    return not re.search(r"\d+ (to )?(create|update|delete|replace)|\d+ (created|updated|deleted|replaced)", printed)


def test_second_up_changes_nothing(standing: Standing) -> None:
    printed = standing.pulumi("up", "--yes", "--skip-preview").stdout
    assert changed_nothing(printed), printed


def test_claims_are_answered_redeemed_and_agreed_on(standing: Standing) -> None:
    claims = claims_at(standing, "quay", 6, 10) + claims_at(standing, "mole", 6, 10)
    outputs = json.loads(standing.pulumi("stack", "output", "--json").stdout)
    for claim in claims:
        assert claim.voucher, claim.fault
        assert check_voucher(claim.voucher, claim.account.address, outputs["grant_keys"]) == ""
    wait_for(lambda: bool(standing.status()["agree"]), 60, "journal = ledger = chain")


def test_a_claim_sent_again_gets_the_same_voucher(standing: Standing) -> None:
    (claim,) = claims_at(standing, "mole", 1, 10)
    again = Claim(claim.geo, claim.tier, claim.account, claim_id=claim.claim_id)
    asyncio.run(claim_all(front(standing, "mole"), [again], 10))
    assert again.voucher == claim.voucher


def test_stopped_mint_is_named_by_preview_and_mended_by_up(standing: Standing) -> None:
    box = f"{standing.drop}-quay-appliance1"
    docker("exec", box, "docker", "stop", "edgedrop-mint")
    printed = standing.pulumi("preview", "--diff").stdout
    assert "container mint: stopped" in printed, printed
    assert "mole" not in "".join(line for line in printed.splitlines() if line.strip().startswith(("~", "+", "-")))
    standing.pulumi("up", "--yes", "--skip-preview")
    assert "edgedrop-mint" in docker("exec", box, "docker", "ps", "--format", "{{.Names}}")
    assert changed_nothing(standing.pulumi("preview").stdout)
