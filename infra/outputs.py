"""What a stack says of itself. Flat, with a `schema`: one secret taints a whole object.

`inventory/edgedrop.py` is the only bridge from here to Ansible.
"""

from __future__ import annotations

from collections.abc import Mapping

import pulumi

from infra.plan.model import DropPlan, HubAddresses, Node
from infra.provision.ssh import Host

SCHEMA = 1


def lab_outputs(hub: HubAddresses) -> None:
    """Addresses of the hub's services."""
    pulumi.export("schema", SCHEMA)
    for name in ("registry", "registry_push", "bus", "ledger_db", "chain", "ledger", "cloud_signer"):
        pulumi.export(name, getattr(hub, name))


def drop_outputs(plan: DropPlan, contract: pulumi.Input[str]) -> None:
    """The drop and its contract."""
    pulumi.export("schema", SCHEMA)
    pulumi.export("drop", plan.drop)
    pulumi.export("contract", contract)


def node_outputs(
    registry: str,
    images: Mapping[str, str],
    nodes: Mapping[str, pulumi.Output[dict[str, object]]],
    grants: Mapping[str, pulumi.Output[str]],
) -> None:
    """The key of each grant; for the inventory the nodes and what they run."""
    pulumi.export("registry", registry)
    pulumi.export("images", dict(images))
    pulumi.export("nodes", pulumi.Output.all(**nodes))
    pulumi.export("grant_keys", pulumi.Output.all(**grants))


def node_output(node: Node, host: Host, host_key: str) -> dict[str, object]:
    """One node: where it is, and the host key that it is known by."""
    return {"geo": node.geo, "kind": node.kind, "ssh": host.url, "host_key": host_key}
