"""`python -m tests.bench <name>`: run one bench."""

from __future__ import annotations

import sys
from importlib import import_module

from tests.bench.measure import show, write


def main() -> int:
    """Run it, show it, write it."""
    (name,) = sys.argv[1:]
    found = import_module(f"tests.bench.{name}").run()
    show(name, found)
    print(f"in {write(name, found)}")
    return 0


sys.exit(main())
