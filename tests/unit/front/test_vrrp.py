"""What one of a pair of fronts tells keepalived; how the two behave on a real one is `tests/e2e/test_failover.py`."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

from node_image.front.vrrp import ADVERT_S, FIRST, SECOND, Half, render

GOLDEN = Path(__file__).parent / "quay.keepalived.conf"
HALF = Half("10.16.1.4", "10.16.1.5", "10.16.1.2", first=True)


def said(text: str, word: str) -> str:
    found = re.search(rf"^ *{word} (.+)$", text, re.MULTILINE)
    assert found, word
    return found[1]


def test_matches_golden_file() -> None:
    """`EDGEDROP_GOLDEN=write` takes a wanted change over."""
    text = render(HALF)
    if os.environ.get("EDGEDROP_GOLDEN") == "write":
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()


def test_the_two_name_each_other_and_neither_takes_the_address_from_the_other() -> None:
    one, other = render(HALF), render(replace(HALF, own=HALF.peer, peer=HALF.own, first=False))
    assert (said(one, "unicast_src_ip"), said(other, "unicast_src_ip")) == ("10.16.1.4", "10.16.1.5")
    assert ("        10.16.1.5 min_ttl" in one, "        10.16.1.4 min_ttl" in other) == (True, True)
    assert int(said(one, "priority")) > int(said(other, "priority"))
    for text in (one, other):
        assert said(text, "state") == "BACKUP"
        assert "    nopreempt\n" in text
        assert "\n        10.16.1.2\n" in text


def test_a_front_that_says_nothing_is_given_up_within_a_second() -> None:
    """RFC 9568: three adverts, and a skew by priority."""
    assert max(3 * ADVERT_S + (256 - priority) * ADVERT_S / 256 for priority in (FIRST, SECOND)) < 0.8
