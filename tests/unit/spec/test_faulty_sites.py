"""Every way to get a site file wrong: its own sentence, its dotted path, its line; and the committed one is right."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.errors import FaultyFile
from infra.home import ROOT
from infra.spec import read_site

SITES = ROOT / "inventory" / "sites"
GOOD = (SITES / "old-quay.yaml").read_text()
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICAE32lW/jREtf/8GCwR9JeNW0NUitcF614HuR7lOCmb"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJA+IBpe3k1w6fZQRtGWj+WkVa3ObxUtOY8nLCffwPIP"
BOXES = GOOD[GOOD.index("\nboxes:") + 1 : GOOD.index("spare_parts:")]

# name: (what stands there, what somebody wrote instead, dotted path with line, part of the sentence)
FAULTS = {
    "unknown-key": ("title: The", "colour: blue\ntitle: The", "colour (line 6)", "no such key"),
    "another-files-name": ("name: old-quay", "name: new-quay", "name (line 5)", "not the file's"),
    "no-boxes": (BOXES, "", "boxes (line 1)", "is missing"),
    "boxes-a-word": (
        BOXES,
        "boxes: many\n",
        "boxes (line 25)",
        "valid tuple",
    ),
    "contact-without-a-way": (
        'reach: ["tel:+44 20 7946 0142"]',
        "reach: []",
        "contacts[1].reach (line 13)",
        "at least 1",
    ),
    "contact-by-carrier": ("tel:+44 20 7946 0142", "ask around", "contacts[1].reach[0] (line 13)", "tel:+<country>"),
    "contact-of-no-role": ("role: power", "role: boss", "contacts[1].role (line 13)", "'field-tech', 'owner'"),
    "uplink-of-no-kind": ("kind: cellular", "kind: pigeon", "uplinks[1].kind (line 18)", "'satellite'"),
    "uplink-without-speed": (", up_mbps: 8", "", "uplinks[1].up_mbps (line 18)", "is missing"),
    "uplink-twice": ("name: lte", "name: fibre", "uplinks[1].name (line 18)", "that of uplinks[0] already"),
    "slot-twice": ("name: shelf2", "name: shelf1", "slots[1].name (line 22)", "that of slots[0] already"),
    "slot-unknown": ("slot: shelf1", "slot: cellar", "boxes[0].slot (line 27)", "not among slots (shelf1, shelf2"),
    "slot-taken": ("slot: shelf2", "slot: shelf1", "boxes[1].slot (line 41)", "that of boxes[0] already"),
    "slot-too-weak": ("power_w: 65", "power_w: 120", "boxes[0].power_w (line 30)", "more than the 90 W of slot shelf1"),
    "power-in-words": ("power_w: 65", "power_w: 65 W", "boxes[0].power_w (line 30)", "valid integer"),
    "box-name-twice": ("name: rack1-2", "name: rack1-1", "boxes[1].name (line 40)", "that of boxes[0] already"),
    "box-name-with-a-slash": ("name: rack1-2", "name: rack1/2", "boxes[1].name (line 40)", "small letters"),
    "address-of-no-kind": ("192.0.2.11\n", "192.0.2.311\n", "boxes[0].address (line 38)", "valid IPv4 or IPv6"),
    "address-twice": (
        "192.0.2.12\n    ssh_port: 2222",
        "192.0.2.11\n    ssh_port: 22",
        "boxes[1].address (line 52)",
        "that of boxes[0] already",
    ),
    "host-key-missing": (f"    host_key: {KEY}\n", "", "boxes[0].host_key (line 26)", "is missing"),
    "host-key-of-another-kind": (KEY, "ssh-rsa AAAAB3Nza", "boxes[0].host_key (line 39)", "ssh-ed25519 AAAA"),
    "host-key-twice": (OTHER, KEY, "boxes[1].host_key (line 55)", "that of boxes[0] already"),
    "serial-twice": ("FL2611-00418", "FL2611-00417", "boxes[1].serial (line 43)", "that of boxes[0] already"),
    "hsm-of-no-kind": ("tpm: true", "hsm: yubikey", "boxes[0].hsm (line 31)", "'softhsm2' or 'usb'"),
    "sensor-without-limit": (
        "label: Composite, limit_celsius: 75",
        "label: Composite",
        "boxes[0].sensors[1].limit_celsius (line 34)",
        "is missing",
    ),
    "bmc-with-a-password": (
        "password_file: bmc.old-quay.rack1-1",
        "password: hunter2",
        "boxes[0].bmc.password (line 37)",
        "no such key",
    ),
    "bmc-with-a-password-in-its-url": (
        "https://192.0.2.111",
        "https://root:hunter2@192.0.2.111",
        "boxes[0].bmc.url (line 37)",
        "must hold no password",
    ),
    "bmc-password-file-elsewhere": (
        "password_file: bmc.old-quay.rack1-1",
        "password_file: ../hunter2",
        "boxes[0].bmc.password_file (line 37)",
        "a file of EDGEDROP_HOME/keys",
    ),
    "part-for-no-box": (
        "fits: [rack1-1, rack1-2]",
        "fits: [rack1-1, rack7]",
        "spare_parts[0].fits[1] (line 62)",
        "no box rack7",
    ),
}


def faulty(name: str, folder: Path) -> Path:
    """The site file with one thing wrong."""
    old, new, _, _ = FAULTS[name]
    assert old in GOOD, f"{name}: the good file no longer holds {old!r}"
    path = folder / "old-quay.yaml"
    path.write_text(GOOD.replace(old, new, 1))
    return path


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_each_fault_is_named_with_path_and_line(name: str, tmp_path: Path) -> None:
    _, _, where, says = FAULTS[name]
    with pytest.raises(FaultyFile) as refused:
        read_site(faulty(name, tmp_path))
    told = refused.value.message
    assert any(line.strip().startswith(f"{where}: ") and says in line for line in told.splitlines()), told
    assert "hunter2" not in told + refused.value.hint


def test_all_faults_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    """A faulty box hides no contradiction of its neighbour's; a part may be for the faulty one, and is not judged."""
    path = faulty("slot-taken", tmp_path)
    text = (
        path.read_text()
        .replace("192.0.2.11\n", "quay\n")
        .replace("name: lte", "name: fibre")
        .replace("name: old", "name: new")
    )
    path.write_text(text.replace("power_w: 65\n    tpm", "power_w: 200\n    tpm").replace("rack1-2]", "rack1-1]"))
    with pytest.raises(FaultyFile) as refused:
        read_site(path)
    told = refused.value.message
    assert "4 faults" in told, told
    for place in ("name", "uplinks[1].name", "boxes[0].address", "boxes[1].power_w"):
        assert f"\n  {place} (line " in told


def test_the_committed_site_is_read_whole() -> None:
    site = read_site(SITES / "old-quay.yaml")
    assert [(box.name, str(box.address), box.ssh_port, box.ssh_user) for box in site.boxes] == [
        ("rack1-1", "192.0.2.11", 22, "root"),
        ("rack1-2", "192.0.2.12", 2222, "root"),
    ]
    assert site.boxes[0].bmc is not None
    assert site.boxes[0].bmc.password_file == "bmc.old-quay.rack1-1"
    assert {one.role for one in site.contacts} == {"field-tech", "power", "network"}
    assert len(site.slots) > len(site.boxes), "one more box has a place"


def test_a_box_needs_its_name_its_address_and_its_key_alone(tmp_path: Path) -> None:
    path = tmp_path / "field.yaml"
    path.write_text(f"name: field\nboxes:\n  - {{name: a, address: 2001:db8::5, host_key: {KEY}}}\n")
    (box,) = read_site(path).boxes
    assert (str(box.address), box.ssh_port, box.ssh_user, box.hsm) == ("2001:db8::5", 22, "root", "softhsm2")
