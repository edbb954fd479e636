"""Names and labels: everything made on an engine is found again by them."""

from __future__ import annotations

import pulumi_docker as docker

STACK_LABEL = "edgedrop.stack"
ROLE_LABEL = "edgedrop.role"


def container_labels(stack: str, role: str) -> list[docker.ContainerLabelArgs]:
    """A container's labels."""
    return [docker.ContainerLabelArgs(label=key, value=value) for key, value in _pairs(stack, role)]


def volume_labels(stack: str, role: str) -> list[docker.VolumeLabelArgs]:
    """A volume's labels."""
    return [docker.VolumeLabelArgs(label=key, value=value) for key, value in _pairs(stack, role)]


def network_labels(stack: str, role: str) -> list[docker.NetworkLabelArgs]:
    """A network's labels."""
    return [docker.NetworkLabelArgs(label=key, value=value) for key, value in _pairs(stack, role)]


def _pairs(stack: str, role: str) -> tuple[tuple[str, str], ...]:
    return ((STACK_LABEL, stack), (ROLE_LABEL, role))
