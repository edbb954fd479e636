"""A box that answers: its host key is known, sshd lets us in, its engine runs where nobody will put one on it."""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi import dynamic

from infra.provision.ssh import Host
from infra.resources.props import PERMANENT, urn_of


class ReadyProvider(dynamic.ResourceProvider):
    """Inputs: `stack`, `node`, `ssh` (URL); `container` of a made box or "", `site_key` of a real one; `engine`."""

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        """Learn the host key out of band, pin it, wait."""
        from infra.provision import wait  # noqa: PLC0415  a provider process loads what it does
        from infra.provision.progress import say  # noqa: PLC0415

        host = Host.of_props(props)
        say(props["urn"], "waiting for its host key")
        key = props["site_key"] or wait.made_host_key(props["container"])
        host.pin(key)
        say(props["urn"], "waiting for SSH")
        wait.await_login(host)
        if props["engine"]:
            say(props["urn"], "waiting for its engine")
            wait.await_engine(host)
        return dynamic.CreateResult(f"{host.stack}/{host.node}", {**props, "host_key": key})

    def read(self, id_: str, props: dict[str, Any]) -> dynamic.ReadResult:
        """On another machine the key is pinned again from the state; whether the box lives, others tell."""
        Host.of_props(props).pin(props["host_key"])
        return dynamic.ReadResult(id_, props)

    def diff(self, _id: str, old: dict[str, Any], new: dict[str, Any]) -> dynamic.DiffResult:
        """Another box, another place or another key in the site file: look again."""
        replaces = [key for key in ("ssh", "container", "site_key") if old.get(key) != new.get(key)]
        return dynamic.DiffResult(changes=bool(replaces), replaces=replaces, stables=PERMANENT)

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        """Nobody trusts that key any more."""
        Host.of_props(props).known_hosts.unlink(missing_ok=True)


class Ready(dynamic.Resource, module="edgedrop", name="Ready"):
    """`host_key` is `<type> <base64>`."""

    host_key: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        host: Host,
        *,
        container: str,
        site_key: str,
        engine: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {
            "stack": host.stack,
            "node": host.node,
            "ssh": host.url,
            "container": container,
            "site_key": site_key,
            "engine": engine,
            "urn": urn_of(self, name, opts),
            "host_key": None,
        }
        super().__init__(ReadyProvider(), name, props, opts)
