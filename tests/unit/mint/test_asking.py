"""Whom the mint asks when the own signer says no; the way to the hub is in tests/e2e/test_cloud_signer.py."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from node_image.mint.asking import Asking
from node_image.mint.cloud import PAUSE_S, CloudSigner
from node_image.signer.client import SignerAway, SignerClient, SignerRefused


class Says(SignerClient):
    """A signer that gives one answer; how often it was asked."""

    def __init__(self, answer: dict[str, Any] | Exception) -> None:
        super().__init__(Path())
        self._answer, self.asked = answer, 0

    async def ask(self, op: str, **_fields: object) -> dict[str, Any]:
        self.asked += 1
        if isinstance(self._answer, Exception):
            raise self._answer
        return {"op": op, **self._answer}


STOPPED = SignerRefused("stopped", "the HSM is out")
AWAY = SignerAway("no uplink")
GOOD: dict[str, Any] = {"good": True}
RESERVED: dict[str, Any] = {"reserve": {}, "new": False}


def asked(own: dict[str, Any] | Exception, cloud: dict[str, Any] | Exception, op: str = "claim") -> str:
    """Whose answer it is: the code of a no, or who said yes."""
    first, second = Says(own), Says(cloud)
    try:
        asyncio.run(Asking(first, CloudSigner(second)).ask(op))
    except SignerRefused as refusal:
        return refusal.code
    except SignerAway:
        return "away"
    return "cloud" if second.asked else "own"


@pytest.mark.parametrize(
    ("own", "cloud", "op", "answer"),
    [
        (GOOD, GOOD, "claim", "own"),
        (STOPPED, GOOD, "claim", "cloud"),
        (SignerRefused("quota", "", 0.1), GOOD, "claim", "cloud"),
        (SignerRefused("sold_out", ""), GOOD, "claim", "sold_out"),
        (SignerRefused("not_ready", ""), GOOD, "claim", "not_ready"),
        (AWAY, GOOD, "claim", "away"),
        (STOPPED, AWAY, "claim", "stopped"),
        (STOPPED, SignerRefused("quota", ""), "claim", "stopped"),
        (STOPPED, SignerRefused("sold_out", ""), "claim", "stopped"),
        (STOPPED, SignerRefused("closed", ""), "claim", "stopped"),  # its grant is closed out, the drop is not over
        (STOPPED, SignerRefused("wallet_cap", ""), "claim", "wallet_cap"),
        (STOPPED, SignerRefused("bad_claim", ""), "claim", "bad_claim"),
        (SignerRefused("not_found", ""), GOOD, "find", "cloud"),
        (SignerRefused("not_found", ""), GOOD, "receive", "cloud"),
        (SignerRefused("conflict", ""), GOOD, "receive", "conflict"),
        (SignerRefused("not_found", ""), SignerRefused("not_found", ""), "find", "not_found"),
        (SignerRefused("not_found", ""), AWAY, "find", "not_found"),
        (STOPPED, GOOD, "status", "stopped"),
        (RESERVED, GOOD, "claim", "own"),
    ],
)
def test_whose_answer_it_is(
    own: dict[str, Any] | Exception, cloud: dict[str, Any] | Exception, op: str, answer: str
) -> None:
    assert asked(own, cloud, op) == answer


@pytest.mark.parametrize("cloud", [AWAY, SignerRefused("not_found", ""), SignerRefused("quota", "", 1), RESERVED])
def test_a_reserve_voucher_is_found_unless_the_hub_signed_since(cloud: dict[str, Any] | Exception) -> None:
    def found(cloud: dict[str, Any] | Exception) -> dict[str, Any]:
        return asyncio.run(Asking(Says(RESERVED), CloudSigner(Says(cloud))).ask("find"))

    assert found(cloud) == {"op": "find", **RESERVED}
    assert found(GOOD) == {"op": "find", **GOOD}
    assert asyncio.run(Asking(Says(RESERVED)).ask("find")) == {"op": "find", **RESERVED}


def test_without_a_cloud_signer_it_is_as_ever() -> None:
    with pytest.raises(SignerRefused, match="HSM is out"):
        asyncio.run(Asking(Says(STOPPED)).ask("claim"))
    assert not asyncio.run(Asking(Says(GOOD)).cloud_ready({"keystore": {"down": "out"}}))


def test_the_signer_that_holds_a_grant_tells_of_it() -> None:
    own, cloud = Says({"grant_id": "0x01"}), Says({"grant_id": "0x02"})
    asking = Asking(own, CloudSigner(cloud))
    assert [asyncio.run(asking.holding(one))["grant_id"] for one in ("0x01", "0x02")] == ["0x01", "0x02"]
    for other in (asking, Asking(own)):
        with pytest.raises(SignerAway, match="holds this grant"):
            asyncio.run(other.holding("0x03"))


def test_a_hub_that_does_not_answer_is_left_alone_for_a_random_while() -> None:
    now, client = [0.0], Says(AWAY)
    cloud = CloudSigner(client, lambda: now[0], lambda: 0.25)

    def ask() -> int:
        with pytest.raises(SignerAway):
            asyncio.run(cloud.ask("claim"))
        return client.asked

    assert [ask(), ask()] == [1, 1]
    now[0] = PAUSE_S * 0.74
    assert ask() == 1
    now[0] = PAUSE_S * 0.75
    assert ask() == 2


@pytest.mark.parametrize(
    ("own", "cloud", "ready"),
    [
        ({"keystore": {"down": "gone"}}, {"ready": True, "left": {"0": 1}}, True),
        ({"keystore": {"down": "gone"}}, {"ready": True, "left": {"0": 0}}, False),
        ({"keystore": {"down": "gone"}}, {"ready": False, "left": {}}, False),
        ({"keystore": {"down": "gone"}}, AWAY, False),
        ({"keystore": {"down": ""}}, {"ready": True, "left": {"0": 1}}, False),
        ({"reason": "the signer does not answer"}, {"ready": True, "left": {"0": 1}}, False),
    ],
)
def test_the_node_is_ready_by_the_hub_only_where_its_hsm_is_out(
    own: dict[str, Any], cloud: dict[str, Any] | Exception, ready: bool
) -> None:
    assert asyncio.run(Asking(Says(GOOD), CloudSigner(Says(cloud))).cloud_ready(own)) is ready
