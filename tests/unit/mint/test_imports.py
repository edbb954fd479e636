"""What a node's services import is in the node's own lock: its image has no other package."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from infra.home import ROOT

LOCK = re.compile(r"^([a-z0-9._-]+)==", re.MULTILINE)
SCRIPT = """
import sys
for name in {names!r}:
    sys.modules[name] = None
import {module}
"""


def locked(name: str) -> set[str]:
    """The packages of a lock, as they are imported where that is their own name."""
    return {found.replace("-", "_") for found in LOCK.findall((ROOT / name).read_text())}


SERVICES = (
    "node_image.mint.app",
    "node_image.signer.server",
    "node_image.bus.courier",
    "node_image.witness.__main__",
    "node_image.cooling.web",
)
RECOVERY = tuple(f"node_image.recovery.{one}" for one in ("agent", "door", "watch"))  # on the box, by the same packages


@pytest.mark.parametrize("module", SERVICES + RECOVERY)
def test_a_service_needs_nothing_that_its_image_lacks(module: str) -> None:
    absent = sorted(locked("requirements.lock") - locked("node_image/requirements-node.lock"))
    assert {"eth_abi", "web3", "rfc3161_client"} <= set(absent)
    script = SCRIPT.format(names=absent, module=module)
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
