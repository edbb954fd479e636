"""A grant as a Pulumi resource: key from the node's HSM, leases on chain, then the signed word to hub and node.

One that the hub's cloud signer holds for a node is the same, but that its key and its readiness are asked there.

The module's and the classes' names stand in every stack's state: they are never renamed without a shim.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import pulumi
from pulumi import dynamic

from infra import keys
from infra.errors import EdgedropError
from infra.plan.model import CloudGrant, DropPlan, Node
from infra.provision.onchain import grant_is_open
from infra.provision.ssh import Host
from infra.resources.announce import announce_grant
from infra.resources.props import urn_of
from node_image.protocol import lease
from node_image.protocol.announcement import GrantAnnouncement
from node_image.protocol.facts import parse


@dataclass(frozen=True, slots=True)
class CloudSide:
    """Where the cloud signer is, and what it is told (DropFacts as JSON)."""

    place: str
    facts: str


class GrantProvider(dynamic.ResourceProvider):
    """Inputs: `rpc`, `bus`, `contract`, `stack`, `node`, `ssh`, `grant` (GrantAnnouncement as JSON, keyless), `urn`.

    With `cloud` (host:port) and `facts` (DropFacts as JSON) it is one of the cloud signer's, and `node` whose it is.
    """

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        """Key from its signer -> leases on chain, final -> signed word on the bus -> the signer can sell."""
        from infra.provision.progress import say  # noqa: PLC0415

        planned = msgspec.json.decode(props["grant"], type=GrantAnnouncement)
        say(props["urn"], "asking its signer for the key")
        grant = msgspec.structs.replace(planned, key=_key(props, planned))
        say(props["urn"], f"opening {len(grant.leases)} leases on chain for {grant.key}")
        _open(props["rpc"], props["contract"], grant)
        announce_grant(props["bus"], grant)
        say(props["urn"], "waiting until its signer holds its leases")
        _await_ready(props, planned)
        return dynamic.CreateResult(grant.grant_id, {**props, "key": grant.key})

    def read(self, id_: str, props: dict[str, Any]) -> dynamic.ReadResult:
        """Gone when the chain knows no such grant; a chain that doesn't answer changes nothing."""
        gone = grant_is_open(props["rpc"], props["contract"], id_) is False
        return dynamic.ReadResult("", {}) if gone else dynamic.ReadResult(id_, props)

    def diff(self, _id: str, old: dict[str, Any], new: dict[str, Any]) -> dynamic.DiffResult:
        """A lease is for ever; other leases are another grant, in another epoch."""
        replaces = [key for key in ("grant", "contract") if old.get(key) != new.get(key)]
        return dynamic.DiffResult(changes=bool(replaces), replaces=replaces, delete_before_replace=True)

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Leases end by close-out or redeem-by, never by forgetting them here."""


def _key(props: dict[str, Any], planned: GrantAnnouncement) -> str:
    from infra.provision import cloud, wait  # noqa: PLC0415

    if props.get("cloud"):
        return cloud.cloud_key(props["cloud"], parse(props["facts"].encode()))
    return wait.signer_key(Host.of_props(props), planned.grant_id)


def _await_ready(props: dict[str, Any], planned: GrantAnnouncement) -> None:
    from infra.provision import cloud, wait  # noqa: PLC0415

    if props.get("cloud"):
        cloud.await_cloud_ready(props["cloud"], planned.drop, props["node"])
    else:
        host = Host.of_props(props)
        wait.await_lease(host, planned.grant_id)
        wait.await_ready(host)


def _open(rpc: str, contract: str, grant: GrantAnnouncement) -> None:
    from node_image.hub.chain import Chain, ChainRefused  # noqa: PLC0415  web3 is heavy

    leases = [msgspec.structs.asdict(one) for one in grant.leases]
    try:
        Chain(rpc).open_grant(keys.operator_key(), contract, grant.grant_id, grant.key, leases)
    except ChainRefused as fault:
        raise EdgedropError(
            f"the chain opened no lease for {grant.node}: {fault}",
            "where its key went with its old box, the old lease holds until it is closed out; on a development chain "
            "begin anew: edgedrop down --all",
        ) from fault


class Grant(dynamic.Resource, module="edgedrop", name="Grant"):
    """One grant with its lease in each tier; `key` is its signer's address."""

    key: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        plan: DropPlan,
        node: Node | CloudGrant,
        host: Host,
        *,
        rpc: str,
        bus: str,
        contract: pulumi.Input[str],
        cloud: CloudSide | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {
            "rpc": rpc,
            "bus": bus,
            "contract": contract,
            "stack": host.stack,
            "node": host.node,
            "ssh": host.url,
            "grant": msgspec.json.encode(_planned(plan, node)).decode(),
            "urn": urn_of(self, name, opts),
            "key": None,
            **({"cloud": cloud.place, "facts": cloud.facts} if cloud else {}),
        }
        super().__init__(GrantProvider(), name, props, opts)


def _planned(plan: DropPlan, node: Node | CloudGrant) -> GrantAnnouncement:
    leases = tuple(
        lease.Lease(held.tier, held.start, held.quota, held.not_before, held.redeem_by) for held in node.leases
    )
    return GrantAnnouncement(1, plan.drop, node.name, node.geo, node.epoch, node.grant_id, "", leases)
