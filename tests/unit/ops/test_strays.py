"""What a killed run left is found by label, and only what the state doesn't know is called stray."""

from infra.ops.strays import strays

STATE = {"resources": [{"id": "c0ffee"}, {"id": "drop-quay"}, {"urn": "no id"}]}


def test_what_the_state_knows_by_id_or_name_is_no_stray() -> None:
    labelled = [("container", "drop-quay-front", "c0ffee"), ("volume", "drop-quay", "drop-quay")]
    assert strays(labelled, STATE) == []


def test_containers_go_before_the_networks_they_hold() -> None:
    labelled = [("volume", "v", "v"), ("network", "n", "1"), ("container", "b", "2"), ("container", "a", "3")]
    assert strays(labelled, STATE) == [("container", "a"), ("container", "b"), ("network", "n"), ("volume", "v")]


def test_with_no_state_all_is_stray() -> None:
    assert strays([("network", "n", "c0ffee")], {}) == [("network", "n")]
