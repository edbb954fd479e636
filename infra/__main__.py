"""The Pulumi program: from the stack's name to components. Wiring only."""

from __future__ import annotations

import pulumi

from infra import stacks
from infra.errors import EdgedropError
from infra.program import declare


def main() -> None:
    """Declare the stack that Pulumi asks for; an error we know is one sentence, not a traceback."""
    try:
        declare(stacks.load(pulumi.get_stack()))
    except EdgedropError as fault:
        raise pulumi.RunError(f"{fault.message}\nhint: {fault.hint}") from fault


main()
