"""A site file: the real boxes of one place, with the host keys that were read on site."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, IPvAnyAddress

from infra.spec.fields import Frozen, HostKey, Name, Port


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
