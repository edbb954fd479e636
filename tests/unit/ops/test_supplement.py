"""A supplement by the ledger's word: its roots as it tells them, and held against a recovered journal."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from infra.errors import NotVerified, Unreachable
from infra.ops.place import Place
from infra.ops.standing import Standing
from infra.ops.supplement import by_ledger, compared
from infra.plan import plan_lab
from node_image.hub.chain import Chain, Status
from node_image.protocol.examine import examine
from node_image.protocol.supplement import recovered, root_of
from tests.unit.protocol.world import FACTS, SEPARATOR, grown

LEDGER = f"127.77.{os.getpid() >> 8 & 255}.{os.getpid() & 255}"  # of this process alone, since the port is fixed
JOURNAL = recovered(examine(grown().data).frames, SEPARATOR)
BEFORE = Standing(FACTS.grant_id, None, Status.FROZEN, ())


class Ledger(ThreadingHTTPServer):
    """Answers what the test puts there."""

    answers: dict[str, Any]


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    class Asked(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told = made.answers.get(self.path)
            self.send_response(404 if told is None else 200)
            self.end_headers()
            self.wfile.write(json.dumps(told).encode())

        def log_message(self, *_: object) -> None:
            pass

    with Ledger((LEDGER, 8080), Asked) as made:
        made.answers = {}
        Thread(target=made.serve_forever, daemon=True).start()
        yield made
        made.shutdown()


@pytest.fixture
def place() -> Place:
    return Place(
        Chain("http://127.0.0.1:1"), 31337, FACTS.contract, FACTS.drop, hub=replace(plan_lab(16), ledger=LEDGER)
    )


def says(first: int, last: int, root: str, late: int = 0) -> dict[str, Any]:
    """As `GET /v1/supplement/<grant_id>`."""
    cover = {"first_batch": first, "last_batch": last, "vouchers": 1, "root": root}
    return {"roots": [root], "high_seqs": [2, 1], "covers": [cover], "uncovered_batches": late}


def test_the_ledgers_roots_are_taken_in_order(ledger: Ledger, place: Place) -> None:
    ledger.answers[f"/v1/supplement/{FACTS.grant_id}"] = says(1, 1, "0x" + "aa" * 32, late=3)
    found = by_ledger(place, FACTS.grant_id)
    assert (found.roots, found.high_seqs) == (("0x" + "aa" * 32,), (2, 1))
    assert "3 more batches have no checkpoint yet" in found.words[-1]


def test_a_ledger_that_does_not_know_it_or_is_silent_is_5(place: Place) -> None:
    with pytest.raises(Unreachable, match="the ledger") as silent:
        by_ledger(place, FACTS.grant_id)
    assert "--journal" in silent.value.hint


def test_a_ledger_without_the_grant_is_5(ledger: Ledger, place: Place) -> None:
    assert not ledger.answers
    with pytest.raises(Unreachable, match="answers 404"):
        by_ledger(place, FACTS.grant_id)


def test_ledger_and_journal_must_tell_the_same(ledger: Ledger, place: Place) -> None:
    path, root = f"/v1/supplement/{FACTS.grant_id}", root_of(JOURNAL, 1, 1)
    assert root is not None
    ledger.answers[path] = says(1, 1, "0x" + root.hex())
    assert compared(place, BEFORE, JOURNAL) == ["1 of the ledger's 1 roots that are not anchored are this journal's"]
    ledger.answers[path] = says(1, 7, "0x" + "aa" * 32)
    assert compared(place, BEFORE, JOURNAL) == ["0 of the ledger's 1 roots that are not anchored are this journal's"]
    ledger.answers[path] = says(0, 1, "0x" + root.hex())
    with pytest.raises(NotVerified, match="are not this journal's"):
        compared(place, BEFORE, JOURNAL)
    del ledger.answers[path]
    assert compared(place, BEFORE, JOURNAL) == ["not looked at: the ledger (it answers 404)"]
