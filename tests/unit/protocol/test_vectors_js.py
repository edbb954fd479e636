"""The vectors by ethers, and the browser's verifier core by the vectors: node runs what the toolchain installed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from infra.home import ROOT, cache

VECTORS = ROOT / "tests" / "vectors"
MODULES = cache() / "npm" / "node_modules"
CORE = ROOT / "node_image" / "mint" / "verify" / "verify.js"


def node(script: str, *more: Path) -> str:
    """What it prints."""
    command = ["node", str(VECTORS / script), str(MODULES), str(VECTORS), *map(str, more)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=os.environ)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_ethers_says_what_the_vectors_say() -> None:
    assert int(node("check.mjs")) >= 90


def test_the_browsers_core_passes_the_vectors() -> None:
    assert node("verifier.mjs", CORE) == "good"
