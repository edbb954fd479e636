"""Each need of the table is met by a good box and missed by one that falls short of it in that alone."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from infra.home import ROOT
from infra.site.assess import Finding, assess, assess_site
from infra.site.measured import (
    Clock,
    Cpu,
    Disk,
    Engine,
    Fan,
    Heat,
    Hub,
    Keystore,
    Measured,
    Memory,
    Offset,
    Sensor,
    System,
)
from infra.site.needs import NEEDS
from infra.site.verdicts import Case
from infra.spec import BoxSpec, SiteSpec, read_site

PLACE = "hub.example:7422"
PARTS: tuple[msgspec.Struct, ...] = (
    System(["debian"], "Debian GNU/Linux 13 (trixie)", "13", "x86_64", "6.12"),
    Cpu(4, 1200.0, "libcrypto.so.3"),
    Memory(16 << 30, 12 << 30),
    Disk("/var/lib/docker", "ext4", 200 << 30, 300, 0.4, 1.9),
    Clock(synchronised=True),
    Heat(
        [Sensor("coretemp", "Package id 0", 45.0, 100.0), Sensor("nvme", "Composite", 38.0, None)],
        [Fan("nct6775", 2, 1100)],
    ),
    Keystore("2", []),
    Engine(True, "26.1.5", "overlay2", True, 2, ["cpuset", "cpu", "io", "memory", "pids"]),
    Hub(PLACE, 50, 50, 12.0, 30.0, 1500),
    Offset(0.012, 0.004),
)


@pytest.fixture(scope="module")
def site() -> SiteSpec:
    return read_site(ROOT / "inventory" / "sites" / "old-quay.yaml")


@pytest.fixture(scope="module")
def box(site: SiteSpec) -> BoxSpec:
    return site.boxes[0]


def judged(box: BoxSpec, *other: msgspec.Struct) -> dict[str, Finding]:
    """The good box, but for these parts."""
    parts = {type(part): part for part in (*PARTS, *other)}
    return {one.name: one for one in assess(Case(box, "x86_64"), Measured(parts, {}))}


def part[T: msgspec.Struct](of: type[T], /, **changed: object) -> T:
    """The good box's, changed."""
    found = next(one for one in PARTS if isinstance(one, of))
    return msgspec.structs.replace(found, **changed)


FALLS_SHORT = {
    "another-system": (part(System, likes=["fedora"], name="Fedora"), "operating system", "Fedora"),
    "an-old-system": (part(System, version="11", name="Debian 11"), "operating system", "Debian 11"),
    "another-processor": (part(System, machine="aarch64"), "processor", "aarch64"),
    "one-core": (part(Cpu, cores=1), "cores", "1"),
    "slow": (part(Cpu, signs_per_s=599.0), "signing", "599/s on one thread (secp256k1, libcrypto.so.3)"),
    "little-memory": (part(Memory, available_bytes=1000 << 20), "memory", "1,000 MiB of 16,384"),
    "full-disk": (part(Disk, free_bytes=3 << 30), "disk room", "3.0 GiB at /var/lib/docker"),
    "disk-of-memory": (part(Disk, kind="tmpfs"), "file system", "tmpfs at /var/lib/docker"),
    "slow-sync": (part(Disk, p50_ms=5.1), "disk sync", "p50 5.10, p99 1.90 ms (300 appends of 4 KiB)"),
    "now-and-then-slow-sync": (part(Disk, p99_ms=26.0), "disk sync", "p50 0.40, p99 26.00 ms"),
    "clock-behind": (Offset(-1.02, 0.01), "clock offset", "-1.020 s, to 10 ms"),
    "clock-ahead": (Offset(1.02, 0.01), "clock offset", "+1.020 s"),
    "clock-of-nobody": (Clock(synchronised=False), "clock kept", "nobody keeps it right"),
    "sensor-gone": (part(Heat, sensors=[Sensor("nvme", "Composite", 38.0, None)]), "temperature", "coretemp Package"),
    "sensor-silent": (
        part(
            Heat,
            sensors=[Sensor("coretemp", "Package id 0", None, 100.0), Sensor("nvme", "Composite", 38.0, None)],
        ),
        "temperature",
        "no temperature from coretemp Package id 0",
    ),
    "hot": (
        part(
            Heat,
            sensors=[Sensor("coretemp", "Package id 0", 45.0, 100.0), Sensor("nvme", "Composite", 56.0, None)],
        ),
        "temperature",
        "19 °C below the limit at nvme Composite",
    ),
    "fan-stands": (part(Heat, fans=[Fan("nct6775", 2, 0)]), "fans", "nct6775 fan2 at 0 rpm"),
    "fan-gone": (part(Heat, fans=[]), "fans", "nct6775 fan2 at 0 rpm"),
    "tpm-off": (Keystore("", []), "keystore", "no TPM"),
    "engine-silent": (part(Engine, version="", driver=""), "engine", "does not answer"),
    "engine-on-vfs": (part(Engine, driver="vfs"), "engine", "26.1.5 on vfs"),
    "no-memory-cgroup": (part(Engine, controllers=["cpu", "pids"]), "kernel", "no memory"),
    "no-overlay": (part(Engine, overlay=False), "kernel", "no overlayfs"),
    "far": (part(Hub, p99_ms=201.0), "hub latency", "p99 201.0 ms to hub.example:7422"),
    "lossy": (part(Hub, answered=48), "hub loss", "2 of 50 handshakes"),
    "narrow": (part(Hub, mtu_bytes=1279), "hub MTU", "1279 bytes"),
}
CLOSE_CALLS = {
    "just-fast-enough": (part(Cpu, signs_per_s=600.0), "signing"),
    "just-sync-enough": (part(Disk, p50_ms=5.0, p99_ms=25.0), "disk sync"),
    "clock-that-may-be-right": (Offset(1.5, 0.6), "clock offset"),
    "one-lost": (part(Hub, answered=49), "hub loss"),
    "no-engine-yet": (part(Engine, installed=False, version="", driver=""), "engine"),
    "kin-of-debian": (part(System, likes=["ubuntu", "debian"], version="24.04"), "operating system"),
    "next-debian": (part(System, version=""), "operating system"),
}


def test_a_good_box_passes_all_and_each_need_says_what_it_is(box: BoxSpec) -> None:
    found = judged(box)
    assert {name: one.found for name, one in found.items() if one.state != "pass"} == {}
    assert len(found) == len(NEEDS)
    assert all(one.wants and one.found and one.why and one.todo for one in found.values())


@pytest.mark.parametrize("name", sorted(FALLS_SHORT))
def test_what_falls_short_fails_in_its_own_need(name: str, box: BoxSpec) -> None:
    other, need, says = FALLS_SHORT[name]
    found = judged(box, other)
    assert {one.name for one in found.values() if one.state != "pass"} == {need}
    assert found[need].state == "fail"
    assert says in found[need].found


@pytest.mark.parametrize("name", sorted(CLOSE_CALLS))
def test_what_just_does_passes(name: str, box: BoxSpec) -> None:
    other, need = CLOSE_CALLS[name]
    assert judged(box, other)[need].state == "pass"


def test_every_need_is_missed_by_some_box_here() -> None:
    assert {need for _, need, _ in FALLS_SHORT.values()} == {need.name for need in NEEDS}


def test_a_hub_that_does_not_answer_fails_all_that_is_asked_of_it(box: BoxSpec) -> None:
    found = judged(box, Hub(PLACE, 50, 0, None, None, None))
    assert {name for name, one in found.items() if one.state == "fail"} == {"hub latency", "hub loss", "hub MTU"}


def test_without_a_hub_its_needs_are_open_and_say_how_to_name_one(box: BoxSpec) -> None:
    parts = {type(part): part for part in PARTS if not isinstance(part, Hub)}
    found = [one for one in assess(Case(box, "x86_64"), Measured(parts, {})) if one.state != "pass"]
    assert [(one.name, one.state) for one in found] == [(f"hub {what}", "open") for what in ("latency", "loss", "MTU")]
    assert all("--hub" in one.todo for one in found)


def test_what_could_not_be_measured_is_a_failure_with_its_reason(box: BoxSpec) -> None:
    parts = {type(part): part for part in PARTS if not isinstance(part, Disk | Memory)}
    found = {one.name: one for one in assess(Case(box, "x86_64"), Measured(parts, {Disk: "OSError: read-only"}))}
    assert {name for name, one in found.items() if one.state == "fail"} == {
        "memory",
        "disk room",
        "file system",
        "disk sync",
    }
    assert found["disk sync"].found == "not measured: OSError: read-only"
    assert found["memory"].found == "not measured: it said nothing"


def test_where_the_site_file_names_no_sensors_the_boxs_own_limits_count(box: BoxSpec) -> None:
    bare = box.model_copy(update={"sensors": (), "fans": (), "tpm": False})
    assert judged(bare)["temperature"].found == "55 °C below the limit at coretemp Package id 0"
    found = judged(bare, Heat([], []), Keystore("", []))
    assert (found["temperature"].state, found["fans"].state, found["keystore"].state) == ("open", "pass", "pass")
    assert "SoftHSM2" in found["keystore"].found


def test_an_hsm_that_was_bought_must_be_plugged_in(box: BoxSpec) -> None:
    with_hsm = box.model_copy(update={"hsm": "usb"})
    assert judged(with_hsm)["keystore"].state == "fail"
    assert judged(with_hsm, Keystore("2", ["Nitrokey HSM"]))["keystore"].state == "pass"


def test_a_place_needs_somebody_there_and_an_uplink_for_its_boxes(site: SiteSpec, tmp_path: Path) -> None:
    assert [one.state for one in assess_site(site)] == ["pass", "pass"]
    path = tmp_path / "bare.yaml"
    path.write_text(f"name: bare\nboxes:\n  - {{name: a, address: 192.0.2.1, host_key: {site.boxes[0].host_key}}}\n")
    contacts, uplink = assess_site(read_site(path))
    assert (contacts.state, uplink.state) == ("fail", "fail")
    assert "0 Mbit/s" in uplink.found
