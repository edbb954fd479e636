"""`edgedrop`: the command line. One file a command; every error ends here, as `error:` and `hint:`."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated

import typer

from infra.errors import EdgedropError

INTERRUPTED = 130
GROUPS = ("manifest", "journal", "fallback", "act", "site", "bundle")
COMMANDS = (
    *("plan", "up", "demo", "status", "down", "heal", "manifest", "verify", "journal"),
    *("drain", "cordon", "failover", "failback", "autoscale", "audit"),
    *("freeze", "revoke", "unfreeze", "supplement", "closeout", "rotate", "fallback", "reclaim", "mint-lost", "act"),
    *("recover", "command", "bundle", "reimage", "site", "doctor", "key", "env"),
)


def make_app(words: Sequence[str]) -> typer.Typer:
    """The app with the command that is named among the words, else with all: one alone starts in half the time."""
    app = typer.Typer(name="edgedrop", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
    app.callback()(options)
    named = next((word for word in words if not word.startswith("-")), "")
    for name in (named,) if named in COMMANDS else COMMANDS:
        file = name.replace("-", "_")
        found = getattr(import_module(f"infra.ops.{file}"), "app" if name in GROUPS else file)
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=name)
        else:
            app.command(name)(found)
    return app


def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show where in the code a fault was met.")] = False,
) -> None:
    """NFT micro-drops at the edge."""
    if debug:
        os.environ["EDGEDROP_DEBUG"] = "1"


def main() -> None:
    """Run; a fault we know is two lines and its exit code, never a traceback (--debug shows it)."""
    try:
        make_app(sys.argv[1:])()
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
