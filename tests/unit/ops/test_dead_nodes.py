"""A dead spare is found in the state by its provider and left out by name."""

from infra.ops.dead_nodes import exclusions, spares_in

PROVIDER = "pulumi:providers:docker"


def state(*resources: tuple[str, str, dict[str, str]]) -> dict[str, object]:
    """A stack's export with these (type, name, inputs)."""
    found = [
        {"type": kind, "urn": f"urn:pulumi:d::edgedrop::{kind}::{name}", "inputs": inputs}
        for kind, name, inputs in resources
    ]
    return {"deployment": {"resources": found}}


def test_only_ssh_engines_are_spares() -> None:
    exported = state(
        (PROVIDER, "default_5_1_0", {}),
        (PROVIDER, "quay-spare1", {"host": "ssh://root@10.20.0.11:22"}),
        ("docker:index/container:Container", "quay-front", {"host": "ssh://x"}),
    )
    assert spares_in(exported) == {"quay-spare1": ("10.20.0.11", 22)}


def test_a_stack_with_no_state_has_no_spares() -> None:
    assert spares_in({"deployment": None}) == {}


def test_all_of_a_spare_is_left_out_and_nothing_of_its_neighbour() -> None:
    assert exclusions(["quay-spare1"]) == ["--exclude", "**::quay-spare1", "--exclude", "**::quay-spare1-*"]
