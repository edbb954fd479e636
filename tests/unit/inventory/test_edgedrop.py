"""Ansible's inventory from a stack's outputs, as a golden file; which stack, when nobody named one."""

import json
from pathlib import Path
from typing import Any

import pytest

from infra import overrides
from infra.errors import BadUsage, StackNotUp
from infra.stacks import Stack
from inventory.edgedrop import chosen_stack, inventory, other_images
from node_image.spec import node_file
from tests.unit.bundle.a_bundle import TinyImages, tiny_release

GOLDEN = Path(__file__).with_name("inventory.json")
OUTPUTS: dict[str, Any] = {
    "registry": "10.16.0.3:5000",
    "images": {service: f"10.16.0.3:5000/edgedrop/{service}@sha256:{'a' * 64}" for service in node_file().containers},
    "nodes": {
        "quay-appliance1": {"geo": "quay", "kind": "appliance", "ssh": "ssh://root@10.17.1.10:22", "host_key": "k"},
        "quay-spare1": {"geo": "quay", "kind": "spare", "ssh": "ssh://ops@10.17.1.11:2222", "host_key": "k"},
    },
}
LAB = Stack("lab", "lab", 16)
LIGHTS = Stack("lights", "drop", 17, "lab", "lights", "f", "lights")
SPLIT = Stack("big", "drop", 18, "lab", "big", "f", "big", split=True)
QUAY = Stack("big.quay", "geography", 18, "lab", "big", "f", "big", "quay", split=True)


def test_the_inventory_is_the_golden_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path))
    made = json.dumps(inventory("lights", OUTPUTS, {}), indent=1).replace(str(tmp_path), "HOME") + "\n"
    assert made == GOLDEN.read_text(), "if the change is meant, write the new one over inventory.json"


def test_a_node_with_another_release_for_a_while_has_that_ones_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path))
    other = tiny_release(TinyImages(), b"2")
    overrides.put("lights", "quay-appliance1", overrides.issue("lights", "quay-appliance1", other.digest, "", 60))
    told = inventory("lights", OUTPUTS, other_images("lights", OUTPUTS))["_meta"]["hostvars"]
    images = {name: {one["image"] for one in host["edgedrop_containers"]} for name, host in told.items()}
    assert images["quay-appliance1"] == set(other.references("10.16.0.3:5000").values())
    assert images["quay-spare1"] < set(OUTPUTS["images"].values())


def test_the_only_stack_with_nodes_is_taken() -> None:
    assert chosen_stack(None, (LAB, LIGHTS)) == "lights"
    assert chosen_stack(None, (LAB, SPLIT, QUAY)) == "big.quay"


def test_none_or_several_is_an_error_that_names_them() -> None:
    with pytest.raises(BadUsage, match=r"lights and big.quay are up: which one\?"):
        chosen_stack(None, (LAB, LIGHTS, SPLIT, QUAY))
    with pytest.raises(StackNotUp, match="no drop is up"):
        chosen_stack(None, (LAB,))


def test_a_named_one_is_taken() -> None:
    assert chosen_stack("big.quay", (LAB, LIGHTS, SPLIT, QUAY)) == "big.quay"
