"""What dynamic resources share: the URN that their progress is told under."""

from __future__ import annotations

import pulumi

PERMANENT: list[str] = ["stack", "node"]


def urn_of(resource: pulumi.Resource, name: str, opts: pulumi.ResourceOptions | None) -> pulumi.Output[str]:
    """The resource's URN before it exists; Pulumi tells a provider's create and update no URN.

    Taken as a bare value: as an output it would depend on the parent, and the parent on it.
    """
    kind = f"pulumi-python:dynamic/edgedrop:{type(resource).__name__}"
    urn = pulumi.create_urn(name, kind, opts.parent if opts else None)
    return pulumi.Output(set(), urn.future(), urn.is_known())  # type: ignore[arg-type]  # it takes any awaitable
