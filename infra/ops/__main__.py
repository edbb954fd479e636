"""`edgedrop`: the command line. One file a command; every error ends here, as `error:` and `hint:`."""

from __future__ import annotations

import os
import sys
import traceback
from typing import Annotated

import typer

from infra.errors import EdgedropError
from infra.ops.demo import demo
from infra.ops.doctor import doctor
from infra.ops.down import down
from infra.ops.env import env
from infra.ops.heal import heal
from infra.ops.manifest import manifest_app
from infra.ops.plan import plan
from infra.ops.status import status
from infra.ops.up import up
from infra.ops.verify import verify

INTERRUPTED = 130
app = typer.Typer(
    name="edgedrop",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (plan, up, down, demo, status, heal, verify, doctor, env):
    app.command()(command)
app.add_typer(manifest_app, name="manifest")


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show where in the code a fault was met.")] = False,
) -> None:
    """NFT micro-drops at the edge."""
    if debug:
        os.environ["EDGEDROP_DEBUG"] = "1"


def main() -> None:
    """Run; a fault we know is two lines and its exit code, never a traceback (--debug shows it)."""
    try:
        app()
    except EdgedropError as fault:
        if os.environ.get("EDGEDROP_DEBUG"):
            traceback.print_exc()
        print(f"error: {fault.message}", file=sys.stderr)
        if fault.hint:
            print(f"hint: {fault.hint}", file=sys.stderr)
        sys.exit(fault.exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
