"""What is shown of a re-image: bars where somebody watches, a line each time where nobody does."""

from __future__ import annotations

import io

from rich.console import Console

from infra.ops.reimaging.shown import bar_of_one, bars_of


def test_a_log_has_lines_and_no_bars() -> None:
    said = io.StringIO()
    with bars_of(("n1", "n2"), Console(file=said)) as fleet:
        one = fleet.by_node["n1"]
        one.pulls(100)
        one.pulled(40)
        one.has_all()
        one.say("  3 s  trying: [odd] words")
        one.ends("done after 3 s")
        fleet.done(1, "0 under way, 1 wait")
    assert said.getvalue() == "n1:   3 s  trying: [odd] words\nn1: done after 3 s\n"


def test_at_a_terminal_each_node_has_a_bar_and_one_is_over_all() -> None:
    said = io.StringIO()
    with bars_of(("n1", "n2"), Console(file=said, force_terminal=True, width=120, color_system=None)) as fleet:
        fleet.by_node["n1"].pulls(2_000_000)
        fleet.by_node["n1"].pulled(1_000_000)
        fleet.by_node["n2"].say("trying")
        fleet.done(0, "2 under way, 0 wait")
    last = said.getvalue().rsplit("all", 1)[1]
    assert "0 of 2" in last
    assert "2 under way, 0 wait" in last
    assert "1.0 MB" in last
    assert "trying" in last
    assert "n2: trying" not in said.getvalue(), "beside its bar, not in a line of its own"


def test_a_node_alone_has_lines_and_a_bar_while_its_images_come() -> None:
    said = io.StringIO()
    with bar_of_one(Console(file=said, force_terminal=True, width=120, color_system=None)) as one:
        one.say("the box gets its ground first")
        assert "━" not in said.getvalue()
        one.pulls(2_000_000)
        one.pulled(2_000_000)
        one.has_all()
        one.say("staged")
    assert "the box gets its ground first\n" in said.getvalue()
    assert "2.0 MB" in said.getvalue()
