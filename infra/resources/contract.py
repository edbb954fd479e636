"""The drop's contract as a Pulumi resource: deployed by CREATE2, so creating it twice is creating it once.

The module's and the classes' names stand in every stack's state: they are never renamed without a shim.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pulumi
from pulumi import dynamic

from infra import keys
from infra.errors import NotVerified
from infra.plan.contract import Deployment
from infra.plan.facts import tier_facts
from infra.plan.model import DropPlan
from infra.provision.currencies import check_currencies
from infra.provision.onchain import has_code
from infra.resources.announce import announce
from infra.resources.props import urn_of
from node_image.protocol.announcement import DropAnnouncement, sign


class ContractProvider(dynamic.ResourceProvider):
    """Inputs: `rpc`, `bus`, `planned` (its address), `deployment` and `announcement` as JSON, `urn`."""

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        """Fund the accounts (a development chain only), deploy, announce. Each step may be repeated.

        Nothing is done for a drop that is to be paid in what is no ERC-20 there.
        """
        from infra.provision.progress import say  # noqa: PLC0415
        from node_image.hub.chain import Chain  # noqa: PLC0415  web3 is heavy, and only creating needs it

        told = msgspec.json.decode(props["announcement"], type=DropAnnouncement)
        check_currencies(props["rpc"], told.tiers)
        chain = Chain(props["rpc"])
        for address in (keys.operator_address(), keys.relayer_address(), keys.hub_address(), *keys.holder_addresses()):
            chain.fund(address)
        deployment = msgspec.json.decode(props["deployment"], type=Deployment)
        say(props["urn"], f"deploying {props['planned']}")
        address = chain.deploy(keys.operator_key(), deployment.salt, deployment.init_code())
        if address != props["planned"]:
            raise NotVerified(f"deployed at {address}, planned was {props['planned']}", "type: edgedrop plan")
        announce(props["bus"], f"drop.{told.drop}", sign(told, keys.owner_pem()))
        return dynamic.CreateResult(address, {**props, "address": address})

    def read(self, id_: str, props: dict[str, Any]) -> dynamic.ReadResult:
        """Gone when the chain says there is no code; a chain that doesn't answer changes nothing."""
        gone = has_code(props["rpc"], id_) is False
        return dynamic.ReadResult("", {}) if gone else dynamic.ReadResult(id_, props)

    def diff(self, _id: str, old: dict[str, Any], new: dict[str, Any]) -> dynamic.DiffResult:
        """What is on chain can't be changed: another deployment is another contract."""
        replaces = [key for key in ("planned", "deployment") if old.get(key) != new.get(key)]
        changed = replaces or [key for key in ("rpc", "bus", "announcement") if old.get(key) != new.get(key)]
        return dynamic.DiffResult(changes=bool(changed), replaces=replaces, delete_before_replace=False)

    def update(self, _id: str, _old: dict[str, Any], new: dict[str, Any]) -> dynamic.UpdateResult:
        """The same as creating: deploying again finds the contract there, and announces it anew."""
        return dynamic.UpdateResult(self.create(new).outs)

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """A contract stays on its chain for ever; the stack only forgets it."""


class Contract(dynamic.Resource, module="edgedrop", name="Contract"):
    """The drop's ERC-721 on chain."""

    address: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        plan: DropPlan,
        deployment: Deployment,
        *,
        rpc: str,
        bus: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {
            "rpc": rpc,
            "bus": bus,
            "planned": plan.contract.address,
            "deployment": msgspec.json.encode(deployment).decode(),
            "announcement": msgspec.json.encode(announcement_of(plan)).decode(),
            "urn": urn_of(self, name, opts),
            "address": None,
        }
        super().__init__(ContractProvider(), name, props, opts)


def announcement_of(plan: DropPlan) -> DropAnnouncement:
    """What the ledger is told of the drop."""
    return DropAnnouncement(
        schema=1,
        drop=plan.drop,
        title=plan.title,
        chain_id=plan.contract.chain_id,
        contract=plan.contract.address,
        manifest_digest=plan.contract.manifest_digest,
        opens_at=plan.opens_at,
        closes_at=plan.closes_at,
        redeem_by=plan.redeem_by,
        tiers=tier_facts(plan),
    )
