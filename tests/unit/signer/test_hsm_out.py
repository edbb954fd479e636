"""A signer whose HSM is cold, lost or out of quota: it says so, signs nothing, and goes on by itself."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from node_image.protocol.rules import Claim
from node_image.signer.client import SignerAway, SignerClient, SignerRefused, tail
from tests.drop_on_disk import Drop, make_drop, softhsm_missing

pytestmark = pytest.mark.skipif(bool(softhsm_missing()), reason=softhsm_missing())


@pytest.fixture
def drop(tmp_path: Path) -> Drop:
    """A node's files."""
    return make_drop(tmp_path)


@contextmanager
def running(drop: Drop, more: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """A signer process, with more in its keystore's URI."""
    process = drop.signer(EDGEDROP_KEYSTORE=drop.environment()["EDGEDROP_KEYSTORE"] + more)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def ask(drop: Drop, op: str, **fields: object) -> dict[str, Any]:
    """One question on a connection of its own."""
    return asyncio.run(SignerClient(drop.socket).ask(op, **fields))


def claim(drop: Drop, asked: Claim) -> str:
    """A claim's token."""
    fields = {"tier": asked.tier, "to": asked.to, "slot": asked.slot, "signature": asked.signature}
    return str(ask(drop, "claim", claim_id=asked.claim_id, **fields)["voucher"]["token_id"])


async def tailed(drop: Drop) -> list[dict[str, Any]]:
    """What the courier is given."""
    return [told async for told in tail(drop.socket, 0)]


def lease(drop: Drop) -> None:
    """As the courier hands it over."""
    ask(drop, "lease", envelope=drop.lease(str(drop.ask("address")["key"])))
    drop.vouch()


def wait_until(drop: Drop, true: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Until the signer's status is so; at most twenty seconds."""
    deadline = time.monotonic() + 20
    told: dict[str, Any] = {}
    while time.monotonic() < deadline:
        try:
            told = ask(drop, "status")
        except SignerAway:
            pass  # not up yet
        else:
            if true(told):
                return told
        time.sleep(0.05)  # the pace of asking
    raise AssertionError(told)


def test_a_spent_quota_is_refused_with_the_time_to_come_back_and_takes_no_seq(drop: Drop) -> None:
    with running(drop, "&quota-per-second=0.5&burst=3"):
        lease(drop)
        first = drop.claim("first")
        assert claim(drop, first) == "100"
        taken, late, refusal = 1, drop.claim("late"), None
        while refusal is None and taken < 20:  # a slow machine's bucket fills meanwhile
            late = drop.claim(f"late{taken}")
            before = ask(drop, "status")
            try:
                claim(drop, late)
            except SignerRefused as refused:
                refusal = refused
            else:
                taken += 1
        assert refusal
        assert refusal.code == "quota"
        assert refusal.retry_after_s
        assert 0 < refusal.retry_after_s <= 2
        assert claim(drop, first) == "100", "an answered claim needs no signature"
        told = ask(drop, "status")
        assert (told["issued"], told["ready"]) == (before["issued"], True)
        time.sleep(refusal.retry_after_s)  # what it asked for
        assert claim(drop, late) == str(100 + taken)


def test_until_the_keystore_is_warm_it_is_not_ready_and_says_why(drop: Drop) -> None:
    (drop.folder / "tokens").rename(drop.folder / "away")
    with running(drop):
        told = wait_until(drop, lambda told: "not warm" in told["reason"])
        assert (told["ready"], told["key"]) == (False, None)
        with pytest.raises(SignerRefused, match="not warm") as refused:
            claim(drop, drop.claim("early"))
        with pytest.raises(SignerAway):
            ask(drop, "lease", envelope=b"")  # the courier asks again at once, where a no would be slept on
        assert asyncio.run(tailed(drop)) == []
        assert refused.value.code == "stopped", "its HSM is out, as when it is lost later"
        (drop.folder / "away").rename(drop.folder / "tokens")
        told = wait_until(drop, lambda told: bool(told["key"]))
        assert told["keystore"]["kind"] == "pkcs11"
        assert told["keystore"]["last_good_at"], "warm means that it has signed"
        lease(drop)
        assert claim(drop, drop.claim("now")) == "100"


def test_a_lost_token_stops_it_and_found_again_it_answers_the_same_claim_with_its_seq(drop: Drop) -> None:
    with running(drop):
        lease(drop)
        before, during = drop.claim("before"), drop.claim("during")
        assert claim(drop, before) == "100"
        (drop.folder / "tokens").rename(drop.folder / "away")
        with pytest.raises(SignerRefused) as refused:
            claim(drop, during)
        assert refused.value.code == "stopped"
        told = ask(drop, "status")
        assert (told["ready"], "does not answer" in told["keystore"]["down"]) == (False, True)
        (drop.folder / "away").rename(drop.folder / "tokens")
        told = wait_until(drop, lambda told: bool(told["ready"]))
        assert told["keystore"]["down"] == ""
        assert [claim(drop, during), claim(drop, before), claim(drop, drop.claim("after"))] == ["101", "100", "102"]
