"""`python -m tests.chaos <name>`: ends with 1 where a promise was broken or a planted bug stayed hidden."""

from __future__ import annotations

import sys
from importlib import import_module

from tests.chaos.outcome import good, show, write


def main() -> int:
    """Run it, show it, write it."""
    (name,) = sys.argv[1:]
    found = import_module(f"tests.chaos.{name}").run()
    show(name, found)
    print(f"in {write(name, found)}")
    return 0 if good(found) else 1


sys.exit(main())
