"""The fixed places of the hub's services (docs/architecture.md)."""

from __future__ import annotations

from infra.plan.model import HubAddresses

FIRST_PUSH_PORT = 20_000


def plan_lab(slot: int) -> HubAddresses:
    """The hub's addresses in 10.<slot>.0.0/16; the upper half is for what comes and goes."""
    at = f"10.{slot}.0"
    return HubAddresses(
        slot=slot,
        subnet=f"10.{slot}.0.0/16",
        dynamic_range=f"10.{slot}.128.0/17",
        registry=f"{at}.3:5000",
        registry_push=f"127.0.0.1:{FIRST_PUSH_PORT + slot}",
        bus=f"{at}.4",
        ledger_db=f"{at}.5",
        chain=f"{at}.6",
        ledger=f"{at}.7",
        relayer=f"{at}.8",
        cloud_signer=f"{at}.9",
        anchorer=f"{at}.10",
    )
