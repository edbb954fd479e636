"""Which front of a pair has the buyers, by what its own fronts answer."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from infra.ops import front_look
from infra.ops.front_look import Look
from infra.plan.fronts import Lent
from infra.plan.model import Geography
from node_image.front.runtime import Served

PAIR = Geography("quay", "The old quay", "10.20.1.0/24", "10.20.1.2", (), pair=("10.20.1.4", "10.20.1.5"))
ALONE = replace(PAIR, pair=())
UP = {"quay-spare1": Served("UP")}
BOTH = {"quay-front": UP, "quay-front2": UP}


@pytest.mark.parametrize(
    ("look", "words", "silent"),
    [
        (
            Look(PAIR, BOTH, "quay-front2"),
            "quay: quay-front2 answers at 10.20.1.2, quay-front would take it over",
            (),
        ),
        (
            Look(PAIR, BOTH | {"quay-front": {}}, "quay-front2"),
            "quay: quay-front2 answers at 10.20.1.2; quay-front does not answer: edgedrop up lights",
            ("quay-front",),
        ),
        (
            Look(PAIR, BOTH, ""),
            "quay: no front answers at 10.20.1.2: its buyers reach nobody: edgedrop up lights",
            ("10.20.1.2",),
        ),
        (Look(ALONE, {"quay-front": UP}, "quay-front"), "", ()),
        (
            Look(ALONE, {"quay-front": {}}, ""),
            "quay: no front answers at 10.20.1.2: its buyers reach nobody: edgedrop up lights",
            ("quay-front", "10.20.1.2"),
        ),
    ],
    ids=["both", "one", "no-address", "alone", "alone-dead"],
)
def test_status_names_who_has_the_buyers_and_who_is_dead(look: Look, words: str, silent: tuple[str, ...]) -> None:
    assert (look.words("lights"), look.silent) == (words, silent)


def test_what_is_lent_is_told_as_the_front_with_the_buyers_sees_it() -> None:
    geo = replace(PAIR, lent=(Lent("mole-spare1", "mole", "10.20.2.11", 32),))
    seen = {"quay-front": UP | {"mole-spare1": Served("DOWN")}, "quay-front2": UP | {"mole-spare1": Served("UP", 1, 7)}}
    assert Look(geo, seen, "quay-front2").lent == {"mole-spare1": Served("UP", 1, 7)}
    assert Look(geo, seen, "").lent == {}


def test_the_front_that_answers_at_the_buyers_address_says_its_name() -> None:
    metrics = 'haproxy_server_status{proxy="spares",server="quay-spare1",state="UP"} 1\n'

    def answer(asked: httpx.Request) -> httpx.Response:
        if asked.url.host == "10.20.1.4":
            raise httpx.ConnectError("dead")
        return httpx.Response(200, text="quay-front2\n" if asked.url.path == "/name" else metrics)

    client = httpx.Client(transport=httpx.MockTransport(answer))
    assert front_look.look_at(client, PAIR) == Look(PAIR, {"quay-front": {}, "quay-front2": UP}, "quay-front2")
