"""What names an image: every input, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_image.images import HERE, IMAGES, Image, content_digest, context_files, inputs, rootfs_recipe, tags


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small node_image."""
    files = {
        "base/Dockerfile": "FROM scratch",
        "mint/Dockerfile": "ARG PARENT",
        "mint/app.py": "one = 1",
        "hub/ledger.py": "two = 2",
        "requirements-node.lock": "a==1",
        "build.py": "",
        "mint/__pycache__/app.cpython-313.pyc": "",
    }
    for name, text in files.items():
        path = tmp_path / "node_image" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "node_image"


PARENT = Image("base", "base/Dockerfile", packages=("python3", "tini"))
CHILD = Image("mint", "mint/Dockerfile", parent="base", site="node", app="node", tools=("tool",))


@pytest.fixture
def tool(tmp_path: Path) -> dict[str, Path]:
    path = tmp_path / "tool"
    path.write_bytes(b"binary")
    return {"tool": path}


def child_tag(tree: Path, tool: dict[str, Path]) -> str:
    return tags((PARENT, CHILD), tool, tree)["mint"]


def test_a_tag_is_stable(tree: Path, tool: dict[str, Path]) -> None:
    tag = child_tag(tree, tool)
    assert tag == child_tag(tree, tool)
    assert len(tag.removeprefix("edgedrop/mint:")) == 12


@pytest.mark.parametrize("name", ["base/Dockerfile", "mint/Dockerfile", "mint/app.py", "requirements-node.lock"])
def test_a_changed_input_changes_the_tag(tree: Path, tool: dict[str, Path], name: str) -> None:
    before = child_tag(tree, tool)
    (tree / name).write_text("changed")
    assert child_tag(tree, tool) != before


@pytest.mark.parametrize("name", ["hub/ledger.py", "build.py", "mint/__pycache__/app.cpython-313.pyc"])
def test_what_an_image_does_not_carry_does_not_change_its_tag(tree: Path, tool: dict[str, Path], name: str) -> None:
    before = child_tag(tree, tool)
    (tree / name).write_text("changed")
    assert child_tag(tree, tool) == before


def test_a_changed_tool_or_mode_changes_the_tag(tree: Path, tool: dict[str, Path]) -> None:
    before = child_tag(tree, tool)
    (tree / "mint/app.py").chmod(0o755)
    middle = child_tag(tree, tool)
    tool["tool"].write_bytes(b"other")
    assert len({before, middle, child_tag(tree, tool)}) == 3


def test_packages_name_a_root_file_system_in_any_order() -> None:
    turned = Image("base", "base/Dockerfile", packages=PARENT.packages[::-1])
    assert rootfs_recipe(turned) == rootfs_recipe(PARENT)
    more = Image("base", "base/Dockerfile", packages=(*PARENT.packages, "curl"))
    assert rootfs_recipe(more) != rootfs_recipe(PARENT)


@given(st.dictionaries(st.text(max_size=4), st.binary(max_size=4), max_size=4), st.data())
def test_no_two_inputs_share_a_digest(entries: dict[str, bytes], data: st.DataObject) -> None:
    other = data.draw(st.dictionaries(st.text(max_size=4), st.binary(max_size=4), max_size=4))
    assert (content_digest(entries) == content_digest(other)) == (entries == other)


def test_the_hub_carries_its_code_and_a_node_does_not(tree: Path) -> None:
    hub = Image("hub", "mint/Dockerfile", app="hub")
    assert "app/node_image/hub/ledger.py" in context_files(hub, tree)
    assert "app/node_image/hub/ledger.py" not in context_files(CHILD, tree)


def test_the_table_names_parents_first_and_only_files_that_are_there() -> None:
    seen: set[str] = set()
    for image in IMAGES:
        assert image.name not in seen
        assert bool(image.parent) != bool(image.packages), image.name
        assert not image.parent or image.parent in seen, image.name
        assert (HERE / image.dockerfile).is_file(), image.name
        seen.add(image.name)


def test_a_root_file_system_counts_by_its_recipe() -> None:
    assert inputs(PARENT, "", {})["rootfs"] == rootfs_recipe(PARENT).encode()


def test_no_image_brings_a_host_key_or_an_authorised_key() -> None:
    box = next(image for image in IMAGES if image.name == "box")
    assert "/etc/ssh/ssh_host_*" in box.leave_out
    assert not [name for name in context_files(box) if "authorized_keys" in name or "ssh_host" in name]
