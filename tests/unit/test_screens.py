"""The responder's screens in docs/screens: each is there, says what it is, and shows what its page has one type."""

from __future__ import annotations

import pytest

from infra.home import ROOT
from tests.screens import FOLDER, SCREENS, Screen

STACK = "harbour-lights"


@pytest.mark.parametrize("screen", SCREENS, ids=[screen.name for screen in SCREENS])
def test_a_screen_is_of_what_was_typed_and_its_page_names_it(screen: Screen) -> None:
    shown = (FOLDER / f"{screen.name}.txt").read_text()
    assert shown.startswith(screen.about)
    for line in screen.typed:
        assert f"$ {line.format(stack=STACK)}" in shown
    page = (ROOT / "docs" / "runbooks" / f"{screen.name}.md").read_text()
    assert f"(../screens/{screen.name}.txt)" in page
