"""What a witness at the site is given, from EDGEDROP_HOME: its own key, its TLS certificate, and the authority's."""

from __future__ import annotations

from infra import certificates, keys
from infra.plan.model import DropPlan, Geography, Node
from infra.plan.witnesses import site_witnesses
from node_image.protocol import dsse
from node_image.protocol.witness import FRONT

KEY, TLS, AUTHORITY = "witness-key.pem", "witness-tls.pem", "authority.pem"


def files_of_node(plan: DropPlan, node: Node) -> dict[str, bytes]:
    """By name, for the witness that a node is to its neighbours; the authority's it has anyway."""
    return {
        KEY: keys.site_witness_pem(plan.drop, node.name),
        TLS: certificates.witness_pem(plan.drop, node.name, node.address),
    }


def files_of_front(plan: DropPlan, geo: Geography) -> dict[str, bytes]:
    """By name, for the witness beside a front."""
    place = _place(geo.name)
    return {
        KEY: keys.site_witness_pem(plan.drop, place),
        TLS: certificates.witness_pem(plan.drop, place, geo.witness_address),
        AUTHORITY: certificates.authority_pem(),
    }


def witnesses_of(plan: DropPlan, node: Node) -> dict[str, str]:
    """Public keys by name of all who may vouch for a node's journal: the hub, and those at its site."""
    site = {name: _place(node.geo) if name == FRONT else name for name in site_witnesses(plan, node)}
    told = {name: dsse.public_pem(keys.site_witness_pem(plan.drop, place)).decode() for name, place in site.items()}
    return keys.witnesses() | told


def _place(geo: str) -> str:
    return f"{geo}-{FRONT}"
