"""The installer makes the containers that the role makes, of the document that the control side writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

from infra import installer
from infra.home import ROOT
from infra.slot import slot_document
from node_image.slots import content, engine, pull
from node_image.slots.content import Container
from node_image.slots.install import Refused
from tests.unit.bundle.a_bundle import TinyImages, services, tiny_release, tiny_settings

ROLE = ROOT / "playbooks" / "roles" / "service"


@pytest.fixture
def containers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Container]:
    """As the box reads them."""
    monkeypatch.setenv("EDGEDROP_HOME", str(tmp_path / "home"))
    made = slot_document(tiny_settings(tiny_release(TinyImages()), tmp_path / "files"))
    slot = content.read(made.payload())
    assert (slot.release, dict(slot.told)["release"]) == (made.release, made.release)
    return {one.service: one for one in slot.containers}


def test_every_container_is_there_with_its_files(containers: dict[str, Container]) -> None:
    assert set(containers) == set(services())
    assert set(containers["mint"].files) == {"drop.json", "content.zip", "cloud.pem", "authority.pem"}
    assert containers["signer"].volumes["/var/lib/edgedrop/journal"] == "edgedrop-journal"


def test_the_environment_is_what_the_roles_template_writes(containers: dict[str, Container]) -> None:
    template = jinja2.Environment(trim_blocks=True, keep_trailing_newline=True, autoescape=False).from_string(  # noqa: S701  no page
        (ROLE / "templates" / "env.j2").read_text()
    )
    for one in containers.values():
        assert template.render(service={"env": dict(one.env)}).encode() == one.env_file


def test_docker_is_told_what_the_role_tells_it(containers: dict[str, Container]) -> None:
    told = _role()
    for one in containers.values():
        words = engine.words(one)
        assert words[-1] == one.image
        assert words[words.index("--name") + 1] == one.name
        assert words[words.index("--restart") + 1] == told["restart_policy"]
        assert ("--read-only" in words) is told["read_only"]
        assert [words[words.index("--cap-drop") + 1]] == told["cap_drop"]
        assert [words[words.index("--security-opt") + 1]] == told["security_opts"]
        assert [words[words.index("--tmpfs") + 1]] == told["tmpfs"]
        assert words[words.index("--label") + 1] == f"edgedrop.service={one.service}"
        assert words[words.index("--memory") + 1] == words[words.index("--memory-swap") + 1] == f"{one.memory_mb}m"
        binds = [words[at + 1] for at, word in enumerate(words) if word == "--volume"]
        assert binds == sorted(bind if bind.endswith(":ro") else f"{bind}:rw" for bind in one.binds)


def _role() -> dict[str, Any]:
    tasks = yaml.safe_load((ROLE / "tasks" / "container.yml").read_text())
    found: dict[str, Any] = tasks[-1]["community.docker.docker_container"]
    return found


def test_a_container_is_the_same_whoever_made_it(containers: dict[str, Container], tmp_path: Path) -> None:
    one = containers["mint"]
    for binds in (list(one.binds), [bind if bind.endswith(":ro") else f"{bind}:rw" for bind in reversed(one.binds)]):
        shown = _shown(one, binds)
        assert engine.same(one, shown)
        again = engine.taken_over(shown, tmp_path, lambda _service: dict(one.files) | {"stray": "0" * 64})
        assert engine.same(again, shown)
        assert (again.files, again.volumes) == (one.files, one.volumes)
    for path, value in (("Image", "other"), ("User", "0:0"), ("Labels", {})):
        shown = _shown(one, list(one.binds))
        shown["Config"][path] = value
        assert not engine.same(one, shown)


def _shown(one: Container, binds: list[str]) -> dict[str, Any]:
    return {
        "Name": f"/{one.name}",
        "Config": {"Image": one.image, "User": one.user, "Labels": {engine.LABEL: one.service}, "Env": ["PATH=/"]},
        "HostConfig": {"NetworkMode": one.network, "Memory": one.memory_mb * engine.MIB, "Binds": binds},
    }


def test_a_slot_that_was_taken_over_is_read_as_it_was(containers: dict[str, Container]) -> None:
    each = tuple(containers.values())
    assert content.read(content.write("0" * 64, each, {"release": "r"})).containers == each


def test_the_installer_is_one_file_that_needs_python_alone(tmp_path: Path) -> None:
    made = tmp_path / installer.NAME
    made.write_bytes(installer.installer())
    ended = subprocess.run([sys.executable, "-I", "-S", made], capture_output=True, text=True, timeout=20, check=False)
    assert (ended.returncode, "go-on" in ended.stderr) == (2, True), ended.stderr
    environment = {"PATH": str(tmp_path)}
    asked = [sys.executable, "-I", "-S", str(made), "lacks"]
    ended = subprocess.run(asked, input="{}", capture_output=True, text=True, timeout=20, check=False, env=environment)
    assert (ended.returncode, "the slot's document is faulty" in ended.stderr) == (1, True), ended.stderr


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where stand-ins for the box's tools write what they were told; `docker` fails for an image named "no"."""
    log = tmp_path / "typed"
    for tool in ("ip", "iptables", "docker"):
        path = tmp_path / "bin" / tool
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'#!/bin/sh\necho {tool} "$@" >> {log}\ncase "$*" in *no|*-C*) exit 1;; esac\n')
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return log


@pytest.mark.parametrize("image", ["yes", "no"])
def test_the_registrys_address_leads_to_the_session_for_as_long_as_it_pulls(
    typed: Path, monkeypatch: pytest.MonkeyPatch, image: str
) -> None:
    monkeypatch.setattr(pull, "_end_with_session", lambda _registry: None)
    with suppress(Refused):
        pull.pull("10.16.0.3:5000", 41000, [image])
    told = typed.read_text().splitlines()
    rule = (
        "iptables -w -t nat -A EDGEDROP-PULL -p tcp -d 10.16.0.3 --dport 5000 -j DNAT --to-destination 127.0.0.1:41000"
    )
    at = told.index(f"docker pull --quiet {image}")
    assert {rule, "ip route replace 10.16.0.3/32 dev lo"} <= set(told[:at])
    back = ["iptables -w -t nat -F EDGEDROP-PULL", "ip route del 10.16.0.3/32 dev lo"]
    assert (told[:2], told[at + 1 :]) == (back, back)


def test_a_container_that_goes_while_it_is_asked_for_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    docker = tmp_path / "docker"
    answers = """case "$1" in
ps) echo here gone;;
inspect) echo '[{"Name": "/here"}]'; echo "Error: No such object: gone" >&2; exit 1;;
*) echo "no engine" >&2; exit 1;;
esac
"""
    docker.write_text(f"#!/bin/sh\n{answers}")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert list(engine.Engine().shown()) == ["here"]
    with pytest.raises(engine.EngineFault, match="docker volume: no engine"):
        engine.Engine().volumes()


def test_a_documents_names_are_never_paths() -> None:
    told = json.loads(content.write("0" * 64, (), {})) | {"containers": [{"name": "../x", "service": "mint"}]}
    with pytest.raises(content.Faulty):
        content.read(json.dumps(told).encode())
