"""What a node is told: the same input gives the same digests, and its variables carry no secret."""

import json
import time
from pathlib import Path

import msgspec
import pytest

from infra import keys
from infra.home import place, write_private
from infra.node_settings import NodeSettings, digest_of, hostvars, node_settings
from infra.ops.drops import open_drop, plan_of_file
from infra.plan import plan_lab
from infra.provision.parcels import parcel_of
from infra.release import Release
from infra.witness_files import files_of_front, files_of_node, witnesses_of
from node_image.protocol import command, dsse, parcel
from node_image.protocol.command import Command, Reboot
from node_image.recovery.place import Facts
from node_image.spec import node_file

RELEASE = Release(1, {service: f"edgedrop/{service}@sha256:{'a' * 64}" for service in node_file().containers})


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path))


def settings() -> NodeSettings:
    path, file = open_drop("harbour-lights")
    plan = plan_of_file(path, file, stack="harbour-lights", slot=17)
    write_private(place("drops", plan.drop, "content.zip"), b"content")
    return node_settings(plan, plan.nodes[0], plan.stack, plan_lab(16), RELEASE)


def test_the_same_node_is_told_the_same() -> None:
    assert settings().told() == settings().told()


def test_each_file_is_told_by_its_digest_and_lies_in_the_folder() -> None:
    made = settings()
    told = {"nats.conf", "drop.json", "content.zip", "cloud.pem", "authority.pem", "recovery.json", "bus.secret"}
    assert set(made.files) == told | {"witness-key.pem", "witness-tls.pem", "slots.pyz"}
    assert {path.name for path in made.folder.iterdir()} == set(made.files)
    assert {f"file {name}" for name in made.files} <= set(made.told())


def test_its_witnesses_keys_are_those_that_they_are_given() -> None:
    path, file = open_drop("harbour-lights")
    plan = plan_of_file(path, file, stack="harbour-lights", slot=17)
    geo = plan.geographies[0]
    node, neighbour = geo.nodes
    told = witnesses_of(plan, node)
    assert set(told) == {"hub", "front", neighbour.name}
    assert told["front"].encode() == dsse.public_pem(files_of_front(plan, geo)["witness-key.pem"])
    assert told[neighbour.name].encode() == dsse.public_pem(files_of_node(plan, neighbour)["witness-key.pem"])
    assert len(set(told.values())) == len(told)


def test_no_variable_holds_the_bus_secret() -> None:
    made = settings()
    told = json.dumps(hostvars(made.host, made.shared(), made.folder))
    assert keys.bus_secret() in (made.folder / "nats.conf").read_text()
    assert keys.bus_secret() not in told
    key = (made.folder / "cloud.pem").read_text().splitlines()[1]
    assert key not in told


def test_a_parcel_for_the_bus_holds_what_may_be_seen_and_is_signed() -> None:
    made = settings()
    found = parcel_of(made, b"the release's envelope")
    payload = parcel.payload(found.files[found.document], parcel.SLOT_TYPE, keys.owner_public_pem(), found.document)
    document = parcel.document(payload)
    assert (document.stack, document.node, document.release) == ("harbour-lights", "quay-appliance1", RELEASE.digest)
    named = {digest: name for name, digest in document.files.items()}
    public = {named[one] for one in found.files if one not in {found.document, found.release}}
    assert public == set(node_file().public)
    seen = b"".join(found.files.values())
    secrets = (made.folder / name for name in set(made.files) - public - {"slots.pyz", "recovery.json"})
    for path in secrets:
        assert path.read_bytes() not in seen, path.name
    assert keys.bus_secret().encode() not in seen


def test_a_folders_digest_changes_with_a_name_and_with_a_content_but_not_with_byte_code(tmp_path: Path) -> None:
    folder = tmp_path / "roles"
    folder.mkdir()
    (folder / "main.yml").write_text("a")
    before = digest_of(folder)
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "x.pyc").write_text("b")
    (folder / ".cache").write_text("c")
    assert digest_of(folder) == before
    (folder / "main.yml").write_text("d")
    assert digest_of(folder) != before


def test_the_box_is_told_who_may_command_it() -> None:
    told = msgspec.json.decode((settings().folder / "recovery.json").read_bytes(), type=Facts)
    assert (told.stack, told.node) == ("harbour-lights", "quay-appliance1")
    assert set(told.services) == set(node_file().containers)
    now = int(time.time())
    wanted = Command(1, told.stack, told.node, 1, now, now + 60, Reboot())
    for name, key in (("owner", keys.owner_pem()), ("responder", keys.responder_pem())):
        read, by = command.read(command.sign(wanted, key), {one: pem.encode() for one, pem in told.keys.items()})
        assert (read, by) == (wanted, name)
