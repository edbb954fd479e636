"""What a buyer is given as a picture too, which a phone or a sheet of paper can hold."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import Any

import msgspec
import segno


def with_picture(reserve: Mapping[str, Any]) -> dict[str, Any]:
    """`reserve` and `qr`."""
    return {"reserve": reserve, "qr": picture(reserve)}


def picture(told: Mapping[str, Any]) -> str:
    """An SVG of a document's JSON, byte for byte, with as little correction as a screen needs."""
    made = segno.make(msgspec.json.encode(told).decode(), error="l", micro=False, boost_error=False)
    out = BytesIO()
    made.save(out, kind="svg", scale=3, xmldecl=False, svgclass=None, lineclass=None, omitsize=True, nl=False)
    return out.getvalue().decode()
