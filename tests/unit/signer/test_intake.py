"""Claims are checked where it is cheapest, by the helper process or here, and each is told once."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace

import pytest

from node_image.protocol.rules import Claim
from node_image.signer import intake
from node_image.signer.intake import Intake, Refused, Waiting
from tests.unit.protocol.world import FACTS, SEPARATOR, address, claim, key_claim, wallet

CROWD = 150
GOOD = [(key_claim if number % 2 else claim)(f"c{number}", number % 5) for number in range(CROWD)]
# Every third is signed by another wallet or key than it is for.
OTHER = address(wallet(6))
CLAIMS = [
    one if number % 3 else replace(one, claim_key=OTHER) if number % 2 else replace(one, to=OTHER)
    for number, one in enumerate(GOOD)
]


def waiting(asked: Claim) -> Waiting:
    return Waiting(asked, lambda _told, _new: None)


async def checked(queue: Intake, asked: list[Claim]) -> dict[str, str | None]:
    """What was found of each, in groups as they come."""
    for one in asked:
        queue.put(waiting(one))
    found: dict[str, str | None] = {}
    while len(found) < len(asked):
        group = await queue.take(40)
        assert 0 < len(group) <= 40
        found |= {one.claim.claim_id: one.wrong for one in group}
    return found


def right(found: dict[str, str | None]) -> bool:
    """Whether just the forged ones were found."""
    return all(bool(found[one.claim_id]) == (number % 3 == 0) for number, one in enumerate(CLAIMS))


async def test_a_crowd_is_checked_by_the_helper_as_it_is_without_it() -> None:
    queue = Intake(FACTS, SEPARATOR, lambda _claim: True)
    alone = await checked(queue, CLAIMS)  # it only just begins to start
    helper = await started(queue)
    assert alone == await checked(queue, CLAIMS)
    assert right(alone)
    os.kill(helper, signal.SIGKILL)
    after = await checked(queue, CLAIMS)  # None: the decision asks by itself
    assert all(found is None or found == alone[claim_id] for claim_id, found in after.items())


async def started(queue: Intake) -> int:
    """The helper's process id, once it takes work."""
    for _ in range(600):
        if queue._helper.ready:
            break
        await asyncio.sleep(0.05)
    assert queue._helper._process is not None
    return queue._helper._process.pid


async def test_what_the_rules_refuse_is_not_checked() -> None:
    found = await checked(Intake(FACTS, SEPARATOR, lambda asked: asked.claim_id != "c0"), CLAIMS[:2])
    assert found == {"c0": None, "c1": ""}


async def test_more_than_may_wait_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "MAX_WAITING", 2)
    queue = Intake(FACTS, SEPARATOR, lambda _claim: True)
    queue.put(waiting(GOOD[0]))
    queue.put(waiting(GOOD[1]))
    with pytest.raises(Refused):
        queue.put(waiting(GOOD[2]))
    assert len(await queue.take(10)) == 2
    queue.put(waiting(GOOD[2]))


def test_each_is_told_once() -> None:
    told: list[object] = []
    one = Waiting(GOOD[0], lambda answer, _new: told.append(answer))
    first, second = Refused("closed", "first"), Refused("closed", "second")
    one.answer(first)
    one.answer(second)
    assert told == [first]
