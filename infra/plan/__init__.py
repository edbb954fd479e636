"""From a drop file to what it will be: pure functions, no Pulumi, no network."""

from infra.plan.drop import plan_drop
from infra.plan.facts import cloud_facts, facts
from infra.plan.lab import plan_lab

__all__ = ["cloud_facts", "facts", "plan_drop", "plan_lab"]
