"""When a box can do what it must: the limits, and one function a need. Pure.

The figures are those at which a node still answers a crowd of 300 claims a second as buyers expect it; the machine
that this project's benches ran on does four times as much (2,500 signatures a second, a sync in 0.24 ms).
"""

from __future__ import annotations

from dataclasses import dataclass

from infra.site.measured import Clock, Cpu, Disk, Engine, Heat, Hub, Keystore, Memory, Offset, System
from infra.spec.site import BoxSpec

DEBIAN = 12
CORES, SIGNS_PER_S = 2, 600
MEMORY_MIB, DISK_GIB = 1024, 4
SYNC_P50_MS, SYNC_P99_MS = 5, 25
OFFSET_S = 1.0
HEADROOM_CELSIUS = 20
LATENCY_MS, LOSS_PERCENT, MTU_BYTES = 200, 2, 1280
GONE_AT_REBOOT = ("tmpfs", "ramfs", "overlay")
DRIVERS = ("overlay2", "overlayfs")  # the second: containerd's own store
CONTROLLERS = ("cpu", "memory", "pids")

# Whether the need is met, None where nobody could tell; and the figure.
Verdict = tuple[bool | None, str]


@dataclass(frozen=True, slots=True)
class Case:
    """What else is asked for: the box as the site file has it, and the processor that this machine's images are for."""

    box: BoxSpec
    machine: str


def system(told: System, _case: Case) -> Verdict:
    """Debian, or a kin of it whose packages have the same names."""
    number = told.version.partition(".")[0]
    old = told.likes[0] == "debian" and number.isdigit() and int(number) < DEBIAN
    return "debian" in told.likes and not old, told.name


def machine(told: System, case: Case) -> Verdict:
    """Images are built for one processor."""
    return told.machine == case.machine, told.machine


def cores(told: Cpu, _case: Case) -> Verdict:
    """As the scheduler gives them."""
    return told.cores >= CORES, str(told.cores)


def signing(told: Cpu, _case: Case) -> Verdict:
    """Of one thread."""
    return told.signs_per_s >= SIGNS_PER_S, f"{told.signs_per_s:,.0f}/s on one thread (secp256k1, {told.by})"


def memory(told: Memory, _case: Case) -> Verdict:
    """What is there for a node."""
    free = told.available_bytes / 2**20
    return free >= MEMORY_MIB, f"{free:,.0f} MiB of {told.total_bytes / 2**20:,.0f}"


def room(told: Disk, _case: Case) -> Verdict:
    """For images and journals."""
    free = told.free_bytes / 2**30
    return free >= DISK_GIB, f"{free:.1f} GiB at {told.folder}"


def keeps(told: Disk, _case: Case) -> Verdict:
    """Whether the journal is still there after a reboot."""
    return told.kind not in GONE_AT_REBOOT, f"{told.kind} at {told.folder}"


def sync(told: Disk, _case: Case) -> Verdict:
    """What every claim waits for."""
    good = told.p50_ms <= SYNC_P50_MS and told.p99_ms <= SYNC_P99_MS
    return good, f"p50 {told.p50_ms:.2f}, p99 {told.p99_ms:.2f} ms ({told.syncs} appends of 4 KiB)"


def offset(told: Offset, _case: Case) -> Verdict:
    """Beyond what the measurement may be wrong by."""
    return abs(told.seconds) - told.error_s <= OFFSET_S, f"{told.seconds:+.3f} s, to {told.error_s * 1e3:.0f} ms"


def clock(told: Clock, _case: Case) -> Verdict:
    """Whether somebody keeps it."""
    return told.synchronised, "synchronised" if told.synchronised else "nobody keeps it right"


def headroom(told: Heat, case: Case) -> Verdict:
    """Of the sensors that the site file names, else of all that say a limit."""
    limits = {(one.chip, one.label): one.limit_celsius for one in told.sensors if one.limit_celsius}
    limits = {(one.chip, one.label): float(one.limit_celsius) for one in case.box.sensors} or limits
    now = {(one.chip, one.label): one.celsius for one in told.sensors}
    silent = [f"{chip} {label}" for chip, label in limits if now.get((chip, label)) is None]
    if silent:
        return False, f"no temperature from {', '.join(silent)}"
    if not limits:
        return None, "no sensor with a limit, and the site file names none"
    left, (chip, label) = min((limit - (now[at] or 0), at) for at, limit in limits.items())
    return left >= HEADROOM_CELSIUS, f"{left:.0f} °C below the limit at {chip} {label}"


def fans(told: Heat, case: Case) -> Verdict:
    """Those that the site file names."""
    turning = {(one.chip, one.fan): one.rpm or 0 for one in told.fans}
    slow = [one for one in case.box.fans if turning.get((one.chip, one.fan), 0) < one.min_rpm]
    if slow:
        return False, ", ".join(f"{one.chip} fan{one.fan} at {turning.get((one.chip, one.fan), 0)} rpm" for one in slow)
    return True, f"{len(case.box.fans)} as named" if case.box.fans else "the site file names none"


def keys(told: Keystore, case: Case) -> Verdict:
    """What the site file says is there."""
    found = f"TPM {told.tpm}" if told.tpm else "no TPM"
    found += f", on USB {', '.join(told.usb)}" if told.usb else ", no HSM: keys in SoftHSM2, which a thief can copy"
    return bool(told.tpm or not case.box.tpm) and bool(told.usb or case.box.hsm != "usb"), found


def engine(told: Engine, _case: Case) -> Verdict:
    """None is as good as one that works."""
    if not told.installed:
        return True, "none yet: appliance.yml installs it"
    good = bool(told.version) and told.driver in DRIVERS
    return good, f"{told.version} on {told.driver}" if told.version else "installed, and it does not answer"


def kernel(told: Engine, _case: Case) -> Verdict:
    """What containers need of it."""
    missing = [name for name in CONTROLLERS if name not in told.controllers]
    missing += [] if told.overlay else ["overlayfs"]
    return not missing, f"no {', no '.join(missing)}" if missing else f"cgroups v{told.cgroups}, overlayfs"


def latency(told: Hub, _case: Case) -> Verdict:
    """Of a handshake."""
    if told.p50_ms is None or told.p99_ms is None:
        return False, f"no answer from {told.place}"
    return told.p99_ms <= LATENCY_MS, f"p50 {told.p50_ms:.1f}, p99 {told.p99_ms:.1f} ms to {told.place}"


def loss(told: Hub, _case: Case) -> Verdict:
    """Of handshakes."""
    lost = told.tries - told.answered
    return lost * 100 <= told.tries * LOSS_PERCENT, f"{lost} of {told.tries} handshakes"


def mtu(told: Hub, _case: Case) -> Verdict:
    """Of the way there."""
    size = told.mtu_bytes
    return (False, f"no answer from {told.place}") if size is None else (size >= MTU_BYTES, f"{size} bytes")
