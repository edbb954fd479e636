"""What must exist before Pulumi runs: keys and images."""

from __future__ import annotations

import json

from infra import keys
from infra.errors import MissingTool
from infra.home import ROOT


def prepare_home() -> None:
    """Keys and secrets, each made once."""
    for make in (keys.owner_pem, keys.operator_key, keys.relayer_key, keys.bus_secret, keys.db_secret):
        make()


def local_images() -> dict[str, dict[str, str]]:
    """What `make images` built: name -> tag and id."""
    path = ROOT / "build" / "images.json"
    if not path.exists():
        raise MissingTool("the images are not built", "type: make images")
    images: dict[str, dict[str, str]] = json.loads(path.read_text())
    return images
