"""Draws the demo drop's 64 images: a lighthouse, each with its own sea and light. The same bytes every time."""

from __future__ import annotations

import colorsys
import math
import random
from pathlib import Path

from PIL import Image, ImageDraw

FOLDER = Path(__file__).parent / "harbour-lights"
SIZE = 256
TIERS = {"print": 40, "shirt": 16, "proof": 8}


def draw(tier: str, number: int) -> Image.Image:
    """One image; its randomness is seeded by its name."""
    dice = random.Random(f"{tier}-{number}")  # noqa: S311  art, not secrets
    hue = dice.random()
    image = Image.new("RGB", (SIZE, SIZE), _colour(hue, 0.7, 0.18))
    pen = ImageDraw.Draw(image)
    for _ in range(40):
        x, y = dice.randrange(SIZE), dice.randrange(SIZE // 2)
        pen.point((x, y), fill=(255, 255, 240))
    _beam(pen, dice, tier)
    _sea(pen, dice, hue)
    _tower(pen, hue)
    return image.quantize(24)


def _beam(pen: ImageDraw.ImageDraw, dice: random.Random, tier: str) -> None:
    angle, width = dice.uniform(-0.6, 0.6), {"print": 0.12, "shirt": 0.2, "proof": 0.3}[tier]
    for side in (0, math.pi):
        ends = [
            (128 + 300 * math.cos(angle + side + turn), 74 + 300 * math.sin(angle + side + turn))
            for turn in (-width, width)
        ]
        pen.polygon([(128, 74), *ends], fill=_colour(0.13, 0.5, 0.75))


def _sea(pen: ImageDraw.ImageDraw, dice: random.Random, hue: float) -> None:
    for row in range(6):
        top, phase = 170 + row * 15, dice.uniform(0, 6)
        wave = [(x, top + 5 * math.sin(x / 14 + phase)) for x in range(0, SIZE + 8, 8)]
        pen.polygon([*wave, (SIZE, SIZE), (0, SIZE)], fill=_colour(hue + 0.45, 0.55, 0.5 - row * 0.06))


def _tower(pen: ImageDraw.ImageDraw, hue: float) -> None:
    pen.polygon([(112, 190), (144, 190), (137, 88), (119, 88)], fill=(240, 236, 226))
    for band in (100, 130, 160):
        pen.rectangle([114, band, 142, band + 14], fill=_colour(hue + 0.5, 0.75, 0.7))
    pen.rectangle([118, 66, 138, 86], fill=(255, 224, 130))
    pen.polygon([(114, 66), (142, 66), (128, 50)], fill=_colour(hue + 0.5, 0.75, 0.5))


def _colour(hue: float, saturation: float, value: float) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return int(red * 255), int(green * 255), int(blue * 255)


def main() -> None:
    """Write all images of all tiers."""
    for tier, count in TIERS.items():
        folder = FOLDER / tier
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(1, count + 1):
            draw(tier, number).save(folder / f"{tier}-{number:02}.png", optimize=True)


if __name__ == "__main__":
    main()
