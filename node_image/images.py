"""What each image is made of: the table, and the content digest that names it. No engine, no network.

An image's tag is a digest over all that goes into it, its parent's tag included; so an unchanged image is never built
again, and a change passes down to every child.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
SUITE = "trixie"

# Files of the tree that no service reads.
_NOT_IN_APP = {"build.py", "images.py", "Dockerfile", "base", "appliance", "slots", "__pycache__"}
_NOT_IN_APP_SUFFIXES = {".lock", ".Dockerfile", ".pyc"}

Entries = Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Image:
    """One image. `packages` make a root file system of its own; `parent` is an image of this table instead."""

    name: str
    dockerfile: str
    parent: str = ""
    packages: tuple[str, ...] = ()
    variant: str = "essential"  # of mmdebstrap; the essential one leaves the package manager out
    leave_out: tuple[str, ...] = ()  # of the root file system: paths, shell patterns allowed
    files: tuple[str, ...] = ()  # beside the Dockerfile; a folder goes in whole
    site: str = ""  # which requirements-<site>.lock is installed below site/
    app: str = ""  # "node" or "hub": whose code goes below app/
    tools: tuple[str, ...] = ()  # of toolchain/setup


ALWAYS_LEFT_OUT = (
    "/usr/bin/tini-static",
    "/usr/lib/*/gconv",
    "/usr/share/i18n",
    "/var/cache/apt/*",
    "/var/cache/debconf/*-old",
    "/var/lib/apt/lists/*",
    "/var/log/*.log",
    "/var/log/apt",
)
BOX_PACKAGES = (
    "ca-certificates",
    "dbus",
    "docker-cli",
    "docker.io",
    "iproute2",
    "iptables",
    "openssh-server",
    "procps",
    "python3",
    "python3-requests",  # what Ansible's Docker modules need on a node
    "systemd",
    "systemd-sysv",
)

BOX_LEAVE_OUT = ("/etc/ssh/ssh_host_*", "/usr/bin/containerd-shim", "/usr/bin/containerd-shim-runc-v1", "/usr/bin/ctr")
# The packaged cluster and its TLS key, made on the builder, must be in no image; queries here are too short for LLVM.
POSTGRESQL_LEAVE_OUT = (
    "/etc/postgresql/17",
    "/etc/ssl/private/*",
    "/usr/lib/*/libLLVM*",
    "/usr/lib/*/libz3*",
    "/usr/lib/postgresql/17/lib/bitcode",
    "/usr/lib/postgresql/17/lib/llvmjit*",
    "/usr/share/perl",
    "/var/lib/postgresql/17",
)

# A parent stands before its children.
IMAGES = (
    Image("base", "base/Dockerfile", packages=("ca-certificates", "python3", "softhsm2", "tini")),
    Image("node-site", "base/site.Dockerfile", parent="base", site="node"),
    Image("node", "base/node.Dockerfile", parent="node-site", app="node"),
    Image("signer", "signer/Dockerfile", parent="node", files=("softhsm2.conf",)),
    Image("mint", "mint/Dockerfile", parent="node", tools=("ethers.umd.min.js",)),
    Image("courier", "bus/courier.Dockerfile", parent="node"),
    Image("cooling", "cooling/Dockerfile", parent="node"),
    Image("bus", "bus/Dockerfile", parent="base", tools=("nats-server",)),
    Image(
        "front",
        "front/Dockerfile",
        packages=("haproxy", "keepalived", "libcap2-bin", "tini"),
        leave_out=("/usr/share/perl", "/usr/share/snmp"),  # of keepalived's SNMP, which nobody asks for
        files=("alive", "pair"),
    ),
    Image("hub-site", "base/site.Dockerfile", parent="base", site="hub"),
    Image("hub", "hub/Dockerfile", parent="hub-site", app="hub"),
    Image(
        "ledger-db",
        "hub/ledger-db/Dockerfile",
        packages=("postgresql-17", "tini"),
        leave_out=POSTGRESQL_LEAVE_OUT,
        files=("entrypoint",),
    ),
    Image("registry", "hub/image-registry/Dockerfile", packages=("docker-registry", "tini"), files=("config.yml",)),
    Image("chain", "hub/dev-chain/Dockerfile", parent="base", tools=("anvil",)),
    Image(
        "box",
        "appliance/Dockerfile",
        packages=BOX_PACKAGES,
        variant="minbase",
        leave_out=BOX_LEAVE_OUT,
        files=("rootfs",),
    ),
)


def context_files(image: Image, tree: Path = HERE) -> dict[str, Path]:
    """What of the tree goes into the build: path in the context -> file."""
    dockerfile = tree / image.dockerfile
    found = {"Dockerfile": dockerfile}
    for name in image.files:
        found |= {str(file.relative_to(dockerfile.parent)): file for file in _files_below(dockerfile.parent / name)}
    if image.app:
        files = (file for file in _files_below(tree) if _in_app(file.relative_to(tree), image.app))
        found |= {f"app/node_image/{file.relative_to(tree)}": file for file in files}
    return found


def rootfs_recipe(image: Image) -> str:
    """What names an image's root file system in the cache: the packages asked for, not the day they came."""
    return " ".join((SUITE, image.variant, *sorted(image.packages), "without", *sorted(leave_out(image))))


def leave_out(image: Image) -> tuple[str, ...]:
    """What a root file system does without; perl is essential to Debian's packaging, not to what runs."""
    perl = () if image.variant == "minbase" else ("/usr/bin/perl*", "/usr/lib/*/perl*")
    return (*ALWAYS_LEFT_OUT, *perl, *image.leave_out)


def site_lock(image: Image, tree: Path = HERE) -> Path:
    """The lock of the Python packages that the image carries."""
    return tree / f"requirements-{image.site}.lock"


def inputs(image: Image, parent_tag: str, tools: Mapping[str, Path], tree: Path = HERE) -> dict[str, bytes]:
    """All that shapes an image, by name."""
    found = {f"file {name} {_mode(path)}": path.read_bytes() for name, path in context_files(image, tree).items()}
    found |= {f"tool {name}": tools[name].read_bytes() for name in image.tools}
    found["parent"] = parent_tag.encode()
    if image.packages:
        found["rootfs"] = rootfs_recipe(image).encode()
    if image.site:
        found["site"] = site_lock(image, tree).read_bytes()
    return found


def content_digest(entries: Entries) -> str:
    """12 hex digits over names and contents; every part is hashed by itself, so that none can run into the next."""
    total = hashlib.sha256()
    for name in sorted(entries):
        total.update(hashlib.sha256(name.encode()).digest())
        total.update(hashlib.sha256(entries[name]).digest())
    return total.hexdigest()[:12]


def tags(images: Iterable[Image], tools: Mapping[str, Path], tree: Path = HERE) -> dict[str, str]:
    """Every image's tag, parents first."""
    made: dict[str, str] = {}
    for image in images:
        parent = made[image.parent] if image.parent else ""
        made[image.name] = f"edgedrop/{image.name}:{content_digest(inputs(image, parent, tools, tree))}"
    return made


def _files_below(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())


def _in_app(path: Path, app: str) -> bool:
    if _NOT_IN_APP & set(path.parts) or path.suffix in _NOT_IN_APP_SUFFIXES:
        return False
    return app == "hub" or path.parts[0] != "hub"


def _mode(path: Path) -> str:
    return "x" if path.stat().st_mode & 0o100 else "-"
