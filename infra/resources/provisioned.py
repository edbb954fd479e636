"""An appliance as Ansible makes it: wanted against actual. A node that doesn't answer is a state, not a fault.

The module's and the classes' names stand in every stack's state: they are never renamed without a shim.
"""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi import dynamic

from infra.node_settings import NodeSettings
from infra.resources.props import PERMANENT, urn_of

PLAYBOOK = "node.yml"
INPUTS = ("stack", "node", "ssh", "target", "shared", "urn", "wanted", "drift", "reachable")
WATCHED = ("ssh", "wanted", "drift", "reachable")


class ProvisionedProvider(dynamic.ResourceProvider):
    """Inputs: `stack`, `node`, `ssh`, `target`, `shared` (variables), `wanted` (digests), `drift`, `reachable`."""

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        """Play it; a box that has just answered must still do so."""
        _play(props)
        return dynamic.CreateResult(f"{props['stack']}/{props['node']}", props)

    def read(self, id_: str, props: dict[str, Any]) -> dynamic.ReadResult:
        """What the node says of itself, in the shape of the inputs: what differs from the wanted is a change."""
        state = props | _actual(props)
        return dynamic.ReadResult(id_, state, {key: state[key] for key in INPUTS})

    def diff(self, _id: str, old: dict[str, Any], new: dict[str, Any]) -> dynamic.DiffResult:
        """Anything that is not as wanted is played."""
        return dynamic.DiffResult(changes=any(old.get(key) != new.get(key) for key in WATCHED), stables=PERMANENT)

    def update(self, _id: str, old: dict[str, Any], new: dict[str, Any]) -> dynamic.UpdateResult:
        """Play it anew. One dead box blocks no other: it is told, and stays unreachable in the state.

        A release that the box itself took back is not put there past its gates.
        """
        from infra.provision.progress import warn  # noqa: PLC0415
        from infra.provision.ssh import Host  # noqa: PLC0415

        if not Host.of_props(new).answers():
            warn(new["urn"], f"{new['node']} does not answer: left as it is; switch it on and bring the drop up again")
            return dynamic.UpdateResult(new | {"reachable": False})
        if why := _failed_there(old, new):
            warn(new["urn"], f"{new['node']}: left as it is: {why}; to try it: edgedrop reimage {new['node']} --again")
            return dynamic.UpdateResult(new | {key: old[key] for key in ("wanted", "drift")})
        _play(new)
        return dynamic.UpdateResult(new)

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        """Take the containers off a real box; its journal and its key stay there. Our own boxes go as a whole."""
        from infra.provision.ssh import Host  # noqa: PLC0415

        if props["target"] == "ssh":
            Host.of_props(props).run("docker ps -aq --filter label=edgedrop.service | xargs -r docker rm -f")


def _play(props: dict[str, Any]) -> None:
    from infra.node_settings import files_of, hostvars  # noqa: PLC0415
    from infra.provision.play import play  # noqa: PLC0415
    from infra.provision.progress import say  # noqa: PLC0415
    from infra.provision.ssh import Host  # noqa: PLC0415

    host = Host.of_props(props)
    told = hostvars(host, props["shared"], files_of(host.stack, host.node)) | {"edgedrop_told": props["wanted"]}
    play(host, PLAYBOOK, told, lambda line: say(props["urn"], line))


def _failed_there(old: dict[str, Any], new: dict[str, Any]) -> str:
    from infra.provision.slots import failed_on  # noqa: PLC0415
    from infra.provision.ssh import Host  # noqa: PLC0415

    release = new["wanted"]["release"]
    return "" if old["wanted"].get("release") == release else failed_on(Host.of_props(new), release)


def _actual(props: dict[str, Any]) -> dict[str, Any]:
    from infra.provision.drift import drift  # noqa: PLC0415
    from infra.provision.probe import probe  # noqa: PLC0415
    from infra.provision.progress import warn  # noqa: PLC0415
    from infra.provision.ssh import Host  # noqa: PLC0415

    said = probe(Host.of_props(props))
    if said is None:
        warn(props["urn"], f"{props['node']} does not answer: reachable: false")
        return {"reachable": False}
    found = drift(said.remembered, said.now)
    if found:
        warn(props["urn"], f"{props['node']}: {'; '.join(found)}")
    return {"reachable": True, "drift": found, "wanted": said.remembered.get("told") or {}}


class Provisioned(dynamic.Resource, module="edgedrop", name="Provisioned"):
    """One appliance."""

    def __init__(
        self, name: str, settings: NodeSettings, *, target: str, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        props = {
            "stack": settings.host.stack,
            "node": settings.host.node,
            "ssh": settings.host.url,
            "target": target,
            "shared": settings.shared(),
            "urn": urn_of(self, name, opts),
            "wanted": settings.told(),
            "drift": [],
            "reachable": True,
        }
        super().__init__(ProvisionedProvider(), name, props, opts)
        if settings.override:
            pulumi.log.warn(f"{settings.host.node}: {settings.override}", self)
