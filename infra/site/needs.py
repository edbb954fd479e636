"""What a box must be able to do, as one table: what would do, why it matters, what to do where it doesn't. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from infra.site import verdicts
from infra.site.measured import Clock, Cpu, Disk, Engine, Heat, Hub, Keystore, Memory, Offset, System
from infra.site.verdicts import Case, Verdict


@dataclass(frozen=True, slots=True)
class Need[T: msgspec.Struct]:
    """One line of the table; `judge` looks at the part that tells of it."""

    name: str
    kind: type[T]
    wants: str
    why: str
    todo: str
    judge: Callable[[T, Case], Verdict]


NEEDS: tuple[Need[Any], ...] = (
    Need(
        "operating system",
        System,
        f"Debian {verdicts.DEBIAN} or newer",
        "appliance.yml installs Debian's packages",
        "install Debian",
        verdicts.system,
    ),
    Need(
        "processor",
        System,
        "that of this machine's images",
        "an image runs on the kind of processor it was built for",
        "build the images on a machine of that kind (make images), or take another box",
        verdicts.machine,
    ),
    Need(
        "cores",
        Cpu,
        f"{verdicts.CORES} or more",
        "the signer has one, the check of wallets' signatures and the mint share the other",
        "take a larger box",
        verdicts.cores,
    ),
    Need(
        "signing",
        Cpu,
        f"{verdicts.SIGNS_PER_S}/s or more",
        "the signer is one thread: all that a claim costs grows as this falls",
        "see that no power-saving governor holds the clock down (cpupower frequency-set -g performance)",
        verdicts.signing,
    ),
    Need(
        "memory",
        Memory,
        f"{verdicts.MEMORY_MIB:,} MiB free",
        "a node's containers may take 768 MiB, the engine the rest; a signer that is killed for memory sells nothing",
        "stop what else runs there, or add memory",
        verdicts.memory,
    ),
    Need(
        "disk room",
        Disk,
        f"{verdicts.DISK_GIB} GiB free",
        "two releases side by side, and 0.5 GB of journal for a million claims; a full disk stops the signer",
        "free some, or put a larger disk in",
        verdicts.room,
    ),
    Need(
        "file system",
        Disk,
        "one that outlives a reboot",
        "the journal is the truth: what was sold must still be there",
        "put Docker's data-root on a disk (/etc/docker/daemon.json)",
        verdicts.keeps,
    ),
    Need(
        "disk sync",
        Disk,
        f"p50 {verdicts.SYNC_P50_MS}, p99 {verdicts.SYNC_P99_MS} ms at most",
        "no claim is answered before its batch is synced: this is what every buyer waits for",
        "an SSD with power-loss protection; no SD card, no USB stick",
        verdicts.sync,
    ),
    Need(
        "clock offset",
        Offset,
        f"{verdicts.OFFSET_S:g} s at most",
        "certificates of the cloud signer are checked by it, and logs of several boxes are read side by side",
        "timedatectl set-ntp true, and see that the battery of its clock is good",
        verdicts.offset,
    ),
    Need(
        "clock kept",
        Clock,
        "synchronised",
        "one that is kept by nobody drifts while the site is cut off",
        "apt-get install chrony, or timedatectl set-ntp true; look at the firewall (UDP 123)",
        verdicts.clock,
    ),
    Need(
        "temperature",
        Heat,
        f"{verdicts.HEADROOM_CELSIUS} °C of head-room while idle",
        "under load and in the sun it gets hotter; too hot it is drained, then stopped",
        "clean it, give it air, or correct the sensors in the site file (/sys/class/hwmon/*/name)",
        verdicts.headroom,
    ),
    Need(
        "fans",
        Heat,
        "those of the site file turn",
        "a fan that stands is the first sign of a box that will be too hot",
        "look at its plug, or correct chip, number and min_rpm in the site file",
        verdicts.fans,
    ),
    Need(
        "keystore",
        Keystore,
        "the TPM and HSM of the site file",
        "a key in hardware can't be copied with the disk; a TPM's counter tells an old disk from the newest",
        "switch the TPM on in its firmware, plug the HSM in, or say in the site file that it has none",
        verdicts.keys,
    ),
    Need(
        "engine",
        Engine,
        f"none, or one that answers, on {verdicts.DRIVERS[0]}",
        "all services of a node are containers",
        "journalctl -u docker says why; on a bare box remove it and appliance.yml installs it",
        verdicts.engine,
    ),
    Need(
        "kernel",
        Engine,
        f"cgroups with {', '.join(verdicts.CONTROLLERS)}; overlayfs",
        "limits keep one service from starving the signer",
        "boot a stock Debian kernel with cgroup_enable=memory",
        verdicts.kernel,
    ),
    Need(
        "hub latency",
        Hub,
        f"p99 {verdicts.LATENCY_MS} ms at most",
        "when its HSM is out the hub signs in its place: four round trips must fit into what a front waits (0.8 s)",
        "another uplink, or a hub nearer by; is the port open for this site?",
        verdicts.latency,
    ),
    Need(
        "hub loss",
        Hub,
        f"{verdicts.LOSS_PERCENT} % at most",
        "each lost packet costs a second, and journals reach the ledger later",
        "look at cable, radio and the provider's line",
        verdicts.loss,
    ),
    Need(
        "hub MTU",
        Hub,
        f"{verdicts.MTU_BYTES:,} bytes or more",
        "below it tunnels and IPv6 break, often only for large messages",
        "raise the MTU of tunnel or uplink",
        verdicts.mtu,
    ),
)
