"""A reserve voucher as a buyer is given it: the document, and the same as a picture that a phone can hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import segno


def with_picture(reserve: Mapping[str, Any]) -> dict[str, Any]:
    """`reserve` and `qr`: an SVG of its JSON, byte for byte, with as little correction as a screen needs."""
    text = msgspec.json.encode(reserve).decode()
    picture = segno.make(text, error="l", micro=False, boost_error=False)
    return {"reserve": reserve, "qr": picture.svg_inline(scale=3, svgclass=None, lineclass=None, omitsize=True)}
