"""What was changed on a node by hand, told in sentences; what is as it was put there is not told."""

from typing import Any

from infra.provision.drift import BARE, drift

MINT = {"settings": "aa", "running": True}
PUT: dict[str, Any] = {
    "files": {"/etc/edgedrop/mint/env": "01", "/etc/edgedrop/bus/nats.conf": "02"},
    "containers": {"mint": MINT, "bus": {"settings": "bb", "running": True}},
    "told": {"release": "r1"},
}


def there(**other: Any) -> dict[str, Any]:
    return {"files": PUT["files"], "containers": PUT["containers"], "units": {"docker.service": True}} | other


def test_a_node_as_it_was_left_has_no_drift() -> None:
    assert drift(PUT, there()) == []


def test_a_bare_box_is_one_line() -> None:
    assert drift({}, there()) == [BARE]


def test_each_change_is_a_line_of_its_own_and_nothing_else_is() -> None:
    now = there(
        files={"/etc/edgedrop/mint/env": "99"},
        containers={"mint": MINT | {"running": False}, "bus": {"settings": "cc", "running": True}, "odd": MINT},
        units={"docker.service": False},
    )
    assert drift(PUT, now) == [
        "container bus: other settings",
        "container mint: stopped",
        "container odd: not of this node",
        "file /etc/edgedrop/bus/nats.conf: gone",
        "file /etc/edgedrop/mint/env: edited",
        "unit docker.service: down",
    ]


def test_a_removed_container_is_gone() -> None:
    assert drift(PUT, there(containers={"mint": MINT})) == ["container bus: gone"]
