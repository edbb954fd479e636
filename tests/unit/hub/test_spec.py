"""The hub's containers: secrets stay in files, addresses are the plan's, and nothing is named twice."""

from __future__ import annotations

from dataclasses import asdict, fields

import pytest

from infra.home import ROOT
from infra.plan.model import HubAddresses
from node_image.hub.spec import (
    SOFTHSM_CONF,
    TOKENS,
    HubContainer,
    HubPlaces,
    HubSecrets,
    HubTsa,
    hub_containers,
)

PLACES = HubPlaces(bus="10.16.0.4", ledger_db="10.16.0.5", chain="10.16.0.6")
HIDDEN = HubSecrets(
    bus="s-bus",
    db="s-db",
    relayer_key="s-key",
    hub_key="s-hub",
    witness_key="s-witness",
    cloud_tls="s-tls",
    authority_pem="public",
    owner_public_pem="public",
    bus_config="has s-bus",
)
SECRET = (HIDDEN.bus, HIDDEN.db, HIDDEN.relayer_key, HIDDEN.hub_key, HIDDEN.witness_key, HIDDEN.cloud_tls)
OWN = {"s-key": "relayer", "s-hub": "anchorer", "s-witness": "ledger", "s-tls": "cloud-signer"}


APP = "/opt/edgedrop/app/"  # in the image
TSA = HubTsa("https://tsa.example/tsr", "public")


def containers(tsa: HubTsa = TSA) -> dict[str, HubContainer]:
    return {container.name: container for container in hub_containers(PLACES, HIDDEN, tsa)}


def test_every_place_is_one_of_the_plan() -> None:
    known = {field.name for field in fields(HubAddresses)}
    assert {container.address for container in containers().values()} <= known


def test_secrets_are_in_files_marked_so_and_nowhere_else() -> None:
    for container in containers().values():
        assert not [word for word in SECRET if word in str(container.env)]
        assert not [word for word in SECRET if word in str(container.command)]
        for file in container.files:
            assert file.secret is ("s-" in file.content), asdict(file)


def test_files_the_environment_names_are_there() -> None:
    for container in containers().values():
        named = {value for key, value in container.env if key.endswith("_FILE")}
        assert named <= {file.path for file in container.files}, container.name


@pytest.mark.parametrize("key", OWN)
def test_one_service_alone_holds_a_key(key: str) -> None:
    holders = [name for name, one in containers().items() if any(file.content == key for file in one.files)]
    assert holders == [OWN[key]]


def test_the_anchorer_alone_asks_an_authority_and_only_where_there_is_one() -> None:
    asking = [one.name for one in containers().values() if "EDGEDROP_TSA_URL" in dict(one.env)]
    assert asking == ["anchorer"]
    told = containers()["anchorer"]
    assert dict(told.env)["EDGEDROP_TSA_CA"] in {file.path for file in told.files}
    assert "TSA" not in str(containers(HubTsa()))


def test_the_cloud_signers_keys_lie_in_a_volume_apart_and_it_has_no_rights() -> None:
    told = containers()["cloud-signer"]
    keystore = dict(told.env)["EDGEDROP_KEYSTORE"]
    tokens = [volume.suffix for volume in told.volumes if f"pin-file={volume.path}/" in keystore]
    assert tokens == ["cloud-signer-tokens"]
    assert f"directories.tokendir = {TOKENS}\n" in (ROOT / "node_image/signer/softhsm2.conf").read_text()
    assert (ROOT / "node_image" / SOFTHSM_CONF.removeprefix(f"{APP}node_image/")).exists()
    assert told.unprivileged


def test_volumes_are_named_once() -> None:
    suffixes = [volume.suffix for one in containers().values() for volume in one.volumes]
    assert len(suffixes) == len(set(suffixes))
