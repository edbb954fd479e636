"""`edgedrop env`: what a bare `pulumi` or `ansible-playbook` needs, as shell exports."""

from __future__ import annotations

import shlex

from infra.ops.pulumi_cli import environment


def env() -> None:
    """Print the exports; use it as: eval "$(edgedrop env)"."""
    for name, value in environment().items():
        print(f"export {name}={shlex.quote(value)}")
