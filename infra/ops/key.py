"""`edgedrop key`: what a box of one's own must be given before Edgedrop can reach it."""

from __future__ import annotations

from infra.keys import ssh_public_key


def key() -> None:
    """Print the control side's SSH key as a line of authorized_keys; it is made on first use."""
    print(ssh_public_key())
