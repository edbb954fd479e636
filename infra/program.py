"""What a stack declares: the lab's hub, or a drop's contract and geographies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pulumi

from infra import certificates, elastic, keys, overrides, release, stacks
from infra.components.elastic import ElasticGround
from infra.components.geography import GeographyArgs, GeographyGround
from infra.components.ground import GroundArgs
from infra.components.lab import Lab, LabArgs
from infra.errors import StackNotUp
from infra.node_settings import NodeSettings, files_of, lay, node_settings
from infra.ops.drops import plan_of
from infra.ops.prepare import image_ids, lab_file
from infra.outputs import drop_outputs, lab_outputs, node_outputs
from infra.plan import cloud_facts, plan_lab
from infra.plan.contract import deployment_of
from infra.plan.model import DropPlan, Geography, HubAddresses, Node
from infra.release import Release
from infra.resources.contract import Contract
from infra.spec import LabFile
from infra.stacks import Stack
from infra.witness_files import files_of_front
from node_image.bus.config import hub_config
from node_image.hub.spec import HubContainer, HubPlaces, HubSecrets, HubTsa, hub_containers


def declare(stack: Stack) -> None:
    """The stack, whatever it is."""
    if stack.kind == "lab":
        declare_lab(stack)
    elif stack.kind == "elastic":
        declare_elastic(stack)
    else:
        declare_drop(stack)


def declare_lab(stack: Stack) -> None:
    """The hub, once."""
    hub = plan_lab(stack.slot)
    Lab("lab", LabArgs(stack.name, hub, image_ids(), _containers(hub, lab_file())), pulumi.ResourceOptions())
    lab_outputs(hub)


def declare_drop(stack: Stack) -> None:
    """A drop whole, or its contract alone, or one geography of a split one: the same components."""
    plan, hub = _planned(stack)
    contract: pulumi.Input[str] = plan.contract.address
    if stack.kind == "drop":
        deployment = deployment_of(plan.drop, plan.contract, plan.tiers)
        contract = Contract("contract", plan, deployment, rpc=hub.chain_url, bus=hub.bus).address
    drop_outputs(plan, contract)
    if stack.kind == "geography" or not stack.split:
        _declare_geographies(stack, plan, hub, contract)


def declare_elastic(stack: Stack) -> None:
    """The spares above `min` that the hub's record says are to stand, each with its newest grant."""
    plan, hub = _planned(stack)
    geo = next(one for one in plan.geographies if one.name == stack.geography)
    wanted = elastic.of(stack.drop_stack, geo.name).at("coming", "up", "closing")
    spares = [node.each()[-1] for node in geo.stood if node.name in wanted]
    current = release.wanted(stack.lab, plan.release)
    args = _ground(stack, plan, geo, spares, plan.contract.address)
    network = f"{stacks.holder(stack.drop_stack, geo.name).name}-{geo.name}"
    ground = ElasticGround(f"{geo.name}-elastic", args, spares, network)
    drop_outputs(plan, plan.contract.address)
    node_outputs(hub.registry, current.references(hub.registry), ground.nodes, ground.grants)


def _planned(stack: Stack) -> tuple[DropPlan, HubAddresses]:
    """The plan of the drop as it is signed, and where its lab is."""
    plan, lab = plan_of(stack), stacks.load(stack.lab)
    if keys.manifest_digest(plan.drop) != plan.contract.manifest_digest:
        raise StackNotUp(
            f"the manifest of {plan.drop} is not signed as its files are now",
            f"type: edgedrop manifest sign {stack.drop_file}",
        )
    return plan, plan_lab(lab.slot)


def _ground(
    stack: Stack, plan: DropPlan, geo: Geography, nodes: Sequence[Node], contract: pulumi.Input[str]
) -> GroundArgs:
    """For the nodes of a geography that the stack holds."""
    hub, current = plan_lab(stacks.load(stack.lab).slot), release.wanted(stack.lab, plan.release)
    return GroundArgs(
        stack=stack.name,
        plan=plan,
        geography=geo,
        hub=hub,
        hub_network=f"{stack.lab}-hub",
        images=image_ids(),
        authorized_key=keys.ssh_public_key(),
        settings={node.name: _settings(plan, node, stack.name, hub, current) for node in nodes},
        contract=contract,
    )


def _declare_geographies(stack: Stack, plan: DropPlan, hub: HubAddresses, contract: pulumi.Input[str]) -> None:
    current, owner = release.wanted(stack.lab, plan.release), keys.owner_public_pem().decode()
    chosen = [geo for geo in plan.geographies if stack.geography in ("", geo.name)]
    grounds = [
        GeographyGround(
            geo.name,
            GeographyArgs(
                ground=_ground(stack, plan, geo, geo.nodes, contract),
                cloud={one.name: cloud_facts(plan, one, hub, owner, keys.witnesses()) for one in geo.cloud},
                witness=lay(files_of(stack.name, f"{geo.name}-witness"), files_of_front(plan, geo)),
            ),
        )
        for geo in chosen
    ]
    networks = {geo.name: ground.network for geo, ground in zip(chosen, grounds, strict=True)}
    for ground in grounds:
        ground.stand_front(networks)
    pulumi.export("fronts", {geo.name: geo.front_url for geo in chosen})
    node_outputs(
        registry=hub.registry,
        images=current.references(hub.registry),
        nodes={name: told for ground in grounds for name, told in ground.nodes.items()},
        grants={grant: key for ground in grounds for grant, key in ground.grants.items()},
    )


def _settings(plan: DropPlan, node: Node, stack: str, hub: HubAddresses, wanted: Release) -> NodeSettings:
    """With the wanted release, or the one that an override puts in its place for a while."""
    found = overrides.in_force(plan.stack, node.name, wanted.digest) if node.kind == "appliance" else None
    if found is None:
        return node_settings(plan, node, stack, hub, wanted)
    return replace(node_settings(plan, node, stack, hub, overrides.release_of(found)), override=found.words())


def _containers(hub: HubAddresses, file: LabFile) -> tuple[HubContainer, ...]:
    bus = keys.bus_secret()
    secrets = HubSecrets(
        bus=bus,
        db=keys.db_secret(),
        relayer_key=keys.relayer_key(),
        hub_key=keys.hub_key(),
        witness_key=keys.witness_pem().decode(),
        cloud_tls=certificates.hub_pem(hub.cloud_signer).decode(),
        authority_pem=certificates.authority_pem().decode(),
        owner_public_pem=keys.owner_public_pem().decode(),
        bus_config=hub_config(bus),
    )
    tsa = HubTsa(file.spec.tsa.url, file.tsa_ca) if file.spec.tsa else HubTsa()
    return hub_containers(HubPlaces(bus=hub.bus, ledger_db=hub.ledger_db, chain=hub.chain), secrets, tsa)
