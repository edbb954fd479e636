#!/usr/bin/env python3
"""Ansible's inventory of a drop, from its stack's outputs: the only bridge from Pulumi to Ansible.

ansible-playbook -i inventory/edgedrop.py playbooks/node.yml (after: eval "$(edgedrop env)"; README)
EDGEDROP_STACK names the stack where more than one is up.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # Ansible runs this from anywhere

from infra import overrides, stacks
from infra.errors import BadUsage, EdgedropError, StackNotUp
from infra.node_settings import files_of, hostvars, shared_vars
from infra.ops import pulumi_cli
from infra.provision.ssh import Host
from node_image.spec import render

HINT = "export EDGEDROP_STACK=<one of them>"


def inventory(stack: str, outputs: Mapping[str, Any], overridden: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """Hosts by kind (`appliances`, `spares`) and by geography, each with its variables; pure.

    `overridden` are the images of nodes that run another release for a while.
    """
    told: dict[str, Any] = {"_meta": {"hostvars": {}}}
    for name, node in sorted(outputs["nodes"].items()):
        host = Host(stack, name, node["ssh"])
        images = overridden.get(name, outputs["images"])
        shared = shared_vars(render(images, node["kind"]), outputs["registry"])
        told["_meta"]["hostvars"][name] = hostvars(host, shared, files_of(stack, name))
        for group in (f"{node['kind']}s", node["geo"]):
            told.setdefault(group, {"hosts": []})["hosts"].append(name)
    return told


def chosen_stack(wanted: str | None, known: tuple[stacks.Stack, ...]) -> str:
    """The stack that was named, else the only one that holds nodes; pure."""
    if wanted:
        return wanted
    with_nodes = [one.name for one in known if one.kind == "geography" or (one.kind == "drop" and not one.split)]
    if not with_nodes:
        raise StackNotUp("no drop is up on this machine", "type: edgedrop up <drop>")
    if len(with_nodes) > 1:
        raise BadUsage(f"{' and '.join(with_nodes)} are up: which one?", HINT)
    return with_nodes[0]


def other_images(drop: str, outputs: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """By node, where an override puts another release there than the stack's."""
    held = overrides.all_in_force(drop, outputs["nodes"], wanted="")
    return {one.node: overrides.release_of(one).references(outputs["registry"]) for one in held}


def main() -> None:
    """`--list` is all that Ansible asks, since `_meta` tells every host's variables."""
    try:
        stack = chosen_stack(os.environ.get("EDGEDROP_STACK"), stacks.known())
        outputs = pulumi_cli.outputs(stack)
        for name, node in outputs["nodes"].items():
            Host(stack, name, node["ssh"]).pin(node["host_key"])
        others = other_images(stacks.load(stack).drop_stack, outputs)
    except EdgedropError as fault:
        sys.exit(f"error: {fault.message}\nhint: {fault.hint}")
    json.dump(inventory(stack, outputs, others), sys.stdout, indent=1)


if __name__ == "__main__":
    main()
