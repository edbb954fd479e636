"""Spares are found in the state by their providers, and left out with all that carries their name."""

from infra.ops.dead_nodes import exclusions, spares_in

STACK = "urn:pulumi:lights::edgedrop::"


def provider(name: str, host: str) -> dict[str, object]:
    return {
        "urn": f"{STACK}pulumi:providers:docker::{name}",
        "type": "pulumi:providers:docker",
        "inputs": {"host": host},
    }


def test_a_spare_is_a_docker_provider_over_ssh() -> None:
    state = {
        "deployment": {
            "resources": [
                provider("quay-spare1", "ssh://root@10.16.1.11:22"),
                provider("default_4_5_0", ""),
                {
                    "urn": f"{STACK}docker:index/container:Container::quay-front",
                    "type": "docker:index/container:Container",
                },
            ]
        }
    }
    found = spares_in("lights", state)
    assert [(host.stack, host.node, host.address) for host in found] == [("lights", "quay-spare1", "10.16.1.11")]


def test_a_stack_with_no_deployment_has_none() -> None:
    assert spares_in("lights", {}) == []
    assert spares_in("lights", {"deployment": {"resources": None}}) == []


def test_a_dead_spare_is_left_out_whole_and_its_neighbour_is_not() -> None:
    assert exclusions(["quay-spare1"]) == ["--exclude", "**::quay-spare1", "--exclude", "**::quay-spare1-*"]
    assert exclusions([]) == []
