"""A node's containers: which kind of node runs which, and how little each is given."""

from __future__ import annotations

import pytest

from node_image.spec import Container, Kind, node_file, render

IMAGES = {service: f"edgedrop/{service}@sha256:{'a' * 64}" for service in node_file().containers}


def of(kind: Kind) -> dict[str, Container]:
    return {one.service: one for one in render(IMAGES, kind)}


def test_a_spare_runs_all_but_what_cools_a_box_of_ours() -> None:
    assert of("appliance").keys() - of("spare").keys() == {"cooling"}


def test_a_spare_is_given_no_path_of_its_host() -> None:
    """Pulumi declares volumes and files for it, and no other bind (infra/components/spare.py)."""
    assert all(not one.host for one in of("spare").values())


def test_cooling_sees_the_sensors_and_can_write_no_other_part_of_the_node() -> None:
    cooling = of("appliance")["cooling"]
    assert cooling.binds == [
        "edgedrop-run:/run/edgedrop",
        "/sys/class:/host/sys/class:ro",
        "/sys/devices:/host/sys/devices",
    ]
    assert cooling.stage == "appliance", "a box without a drop is cooled too"


@pytest.mark.parametrize("kind", ["appliance", "spare"])
def test_every_container_runs_as_the_services_user(kind: Kind) -> None:
    assert {one.user for one in of(kind).values()} == {"10001:10001"}
