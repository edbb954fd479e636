"""A site file: the real boxes of one place, with the host keys that were read on site."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, IPvAnyAddress, StringConstraints

from infra.spec.fields import Frozen, Name, Port

HostKey = Annotated[str, StringConstraints(pattern=r"^ssh-ed25519 [A-Za-z0-9+/]{68}={0,2}$")]


class BoxSpec(Frozen):
    """One box as SSH reaches it."""

    name: Name
    address: IPvAnyAddress
    ssh_port: Port = 22
    ssh_user: str = "root"
    host_key: HostKey


class SiteSpec(Frozen):
    """One place's boxes."""

    name: Name
    boxes: Annotated[tuple[BoxSpec, ...], Field(min_length=1)]
