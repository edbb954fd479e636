"""What a stack says of itself. Flat, with a `schema`: one secret taints a whole object."""

from __future__ import annotations

import pulumi

from infra.plan.model import HubAddresses

SCHEMA = 1


def lab_outputs(hub: HubAddresses) -> None:
    """Addresses of the hub's services."""
    pulumi.export("schema", SCHEMA)
    for name in ("registry", "registry_push", "bus", "ledger_db", "chain", "ledger"):
        pulumi.export(name, getattr(hub, name))
