"""A drop of one tier and one geography (an appliance, a spare): its file and pictures, in a test's folder."""

from __future__ import annotations

from pathlib import Path

from PIL import Image


def write_small_drop(
    folder: Path, name: str, supply: int, target: str = "target: docker", spares: str = "spares: 1"
) -> Path:
    """The drop file; each token's picture is another one. `target` says what the geography's boxes are."""
    pictures = folder / name
    pictures.mkdir(parents=True)
    for number in range(supply):
        picture = Image.new("RGB", (1, 1), (number >> 16 & 255, number >> 8 & 255, number & 255))
        picture.save(pictures / f"{number:05}.png")
    file = folder / f"{name}.yaml"
    file.write_text(f"""\
name: {name}
title: {name.title()}
symbol: {name.upper()}
chain_id: 31337
window:
  opens_at: 2026-01-01T00:00:00Z
  closes_at: 2031-01-01T00:00:00Z
  redeem_by: 2031-02-01T00:00:00Z
tiers:
  - name: only
    title: The only one
    assets: {name}/*.png
    supply: {supply}
    price_gwei: 0
    wallet_cap: 1
    splits:
      - {{address: "0x70997970C51812dc3A010C7d01b50e0d17dc79C8", share_percent: 100}}
leases: {{fallback_percent: 5, spare_percent: 50}}
geographies:
  - {{name: pier, title: The pier, {target}, share_percent: 100, appliances: 1, {spares}}}
""")
    return file
