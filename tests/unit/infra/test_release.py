"""A release names itself by what is in it, and a changed one is refused."""

from pathlib import Path

import pytest

from infra import keys, release
from infra.errors import NotVerified, StackNotUp
from infra.home import place, write_private
from infra.release import PAYLOAD_TYPE, Release
from node_image.protocol import dsse
from node_image.spec import node_file

MADE = Release(1, {service: f"edgedrop/{service}@sha256:aa" for service in node_file().containers})


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path))


def keep(made: Release, name: str, private_pem: bytes) -> None:
    write_private(place("releases", f"{name}.dsse.json"), dsse.sign(PAYLOAD_TYPE, made.payload(), private_pem))
    write_private(place("releases", "current", "lab"), name.encode())


def test_the_current_release_is_the_one_that_was_signed() -> None:
    keep(MADE, MADE.digest, keys.owner_pem())
    assert release.current("lab") == MADE
    assert MADE.references("10.16.0.3:5000")["mint"] == "10.16.0.3:5000/edgedrop/mint@sha256:aa"


def test_the_order_of_services_does_not_name_another_release() -> None:
    assert Release(1, dict(reversed(MADE.images.items()))).digest == MADE.digest


def test_no_release_says_what_to_type() -> None:
    with pytest.raises(StackNotUp) as told:
        release.current("lab")
    assert told.value.hint == "type: edgedrop up lab"


def test_one_that_another_key_signed_is_refused() -> None:
    keep(MADE, MADE.digest, dsse.new_private_pem())
    with pytest.raises(NotVerified, match="does not verify"):
        release.current("lab")


def test_one_that_stands_under_anothers_name_is_refused() -> None:
    keep(Release(1, {"mint": "edgedrop/mint@sha256:cc"}), MADE.digest, keys.owner_pem())
    with pytest.raises(NotVerified, match="is another one"):
        release.current("lab")


def test_one_of_before_a_service_came_says_what_is_missing_and_what_to_type() -> None:
    old = Release(1, {service: image for service, image in MADE.images.items() if service != "cooling"})
    keep(old, old.digest, keys.owner_pem())
    with pytest.raises(StackNotUp, match="has no image of cooling") as told:
        release.current("lab")
    assert told.value.hint == "type: edgedrop up lab"


def test_one_that_is_gone_is_refused() -> None:
    write_private(place("releases", "current", "lab"), MADE.digest.encode())
    with pytest.raises(NotVerified, match="does not verify"):
        release.current("lab")
