"""A site file: one place, its real boxes with the host keys that were read on site, and whom to call there."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, IPvAnyAddress, StrictInt

from infra.spec.fields import Celsius, Frozen, HostKey, KeyFile, Megabits, Name, Port, Reach, Title, Url, Watts
from node_image.front.config import CLAIMS_AT_ONCE


class BmcSpec(Frozen):
    """The box's own power switch (Redfish); its password is a file of EDGEDROP_HOME/keys, never a value here."""

    url: Url
    user: Annotated[str, Field(min_length=1, max_length=64)]
    password_file: KeyFile


class SensorSpec(Frozen):
    """A temperature that must be there: hwmon's chip name and the sensor's label (or `temp<n>` where it has none)."""

    chip: Title
    label: Title
    limit_celsius: Celsius


class FanSpec(Frozen):
    """A fan that must turn: hwmon's chip name and the number in `fan<n>_input`."""

    chip: Title
    fan: Annotated[StrictInt, Field(ge=1, le=32)]
    min_rpm: Annotated[StrictInt, Field(ge=1, le=30_000)]


class BoxSpec(Frozen):
    """One box: what was bought and where it stands, then how SSH reaches it."""

    name: Name
    slot: Name | None = None
    model: Title | None = None
    serial: Title | None = None
    power_w: Watts | None = None  # by its plate
    tpm: bool = False
    hsm: Literal["softhsm2", "usb"] = "softhsm2"
    sensors: tuple[SensorSpec, ...] = ()
    fans: tuple[FanSpec, ...] = ()
    bmc: BmcSpec | None = None
    address: IPvAnyAddress
    ssh_port: Port = 22
    ssh_user: str = "root"
    host_key: HostKey
    claims_at_once: Annotated[StrictInt, Field(ge=1, le=1024)] = CLAIMS_AT_ONCE  # then a spare helps


class SlotSpec(Frozen):
    """Where one box can stand: a shelf with power and a cable."""

    name: Name
    power_w: Watts
    switch_port: Title | None = None


class UplinkSpec(Frozen):
    """One way out; `metered`: each byte is paid for."""

    name: Name
    kind: Literal["fibre", "cable", "dsl", "cellular", "satellite", "event-lan"]
    provider: Title | None = None
    circuit: Title | None = None  # what its provider calls it on the telephone
    down_mbps: Megabits
    up_mbps: Megabits
    metered: bool = False


class ContactSpec(Frozen):
    """Who can do something there, and how they are reached, the quickest way first."""

    name: Title
    role: Literal["field-tech", "owner", "power", "network", "venue"]
    reach: Annotated[tuple[Reach, ...], Field(min_length=1)]
    hours: Title | None = None


class PartSpec(Frozen):
    """A spare part on site, and the boxes it fits."""

    part: Title
    serial: Title | None = None
    where: Title
    fits: Annotated[tuple[Name, ...], Field(min_length=1)]


class SiteSpec(Frozen):
    """A whole site file. A drop needs its boxes; who buys, visits or mends needs the rest."""

    name: Name
    title: Title | None = None
    contacts: tuple[ContactSpec, ...] = ()
    uplinks: tuple[UplinkSpec, ...] = ()
    slots: tuple[SlotSpec, ...] = ()
    boxes: Annotated[tuple[BoxSpec, ...], Field(min_length=1)]
    spare_parts: tuple[PartSpec, ...] = ()
