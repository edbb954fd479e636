"""The labels of what Pulumi declares, in the form of each kind of resource."""

from __future__ import annotations

import pulumi_docker as docker

from infra.labels import ROLE_LABEL, STACK_LABEL


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
