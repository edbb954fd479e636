"""An appliance: a box that Ansible turns into a node."""

from __future__ import annotations

import pulumi

from infra.components.box import Box
from infra.node_settings import NodeSettings
from infra.plan.model import Target
from infra.resources.provisioned import Provisioned


class Appliance(pulumi.ComponentResource):
    """`Provisioned` in its box."""

    def __init__(
        self,
        name: str,
        settings: NodeSettings,
        box: Box,
        target: Target,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("edgedrop:infra:Appliance", name, None, opts)
        Provisioned(f"{name}-node", settings, target=target, opts=box.inside(self, depends_on=[box.ready]))
        self.register_outputs({})
