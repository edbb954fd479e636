"""Build the images on the local Docker engine: `python -m node_image.build [--json]`.

Needs no registry: root file systems come from Debian's packages (mmdebstrap), Python packages from the hashed locks,
binaries from toolchain/setup. Slow parts are kept in the cache; `build/images.json` says what is what.
"""

from __future__ import annotations

import argparse
import compileall
import hashlib
import json
import os
import py_compile
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

from infra.errors import EdgedropError, MissingTool
from infra.home import ROOT, cache, locked
from node_image.images import IMAGES, SUITE, Image, context_files, leave_out, rootfs_recipe, site_lock, tags

BUILD = ROOT / "build"
USER_ID = 10001
# Nothing of these is read by a service.
_EXCLUDED = ("/usr/share/doc/*", "/usr/share/info/*", "/usr/share/locale/*", "/usr/share/man/*", "/usr/share/lintian/*")
_NOT_AT_RUN_TIME = ("bin", "tests", "*/tests", "**/*.c", "**/*.h", "**/*.pyi", "**/*.pyx", "**/*.pxd")
_HOOKS = (
    f'echo "edgedrop:x:{USER_ID}:{USER_ID}::/nonexistent:/usr/sbin/nologin" >>"$1/etc/passwd"',
    f'echo "edgedrop:x:{USER_ID}:" >>"$1/etc/group"',
)


class BuildFailed(EdgedropError):
    """A tool that makes a part of an image said no."""

    exit_code = 3


def tools() -> dict[str, Path]:
    """The binaries that images carry; the links of toolchain/setup are followed, since a build needs the file."""
    found = {
        "nats-server": cache() / "bin" / "nats-server",
        "anvil": cache() / "bin" / "anvil",
        "ethers.umd.min.js": cache() / "npm" / "node_modules" / "ethers" / "dist" / "ethers.umd.min.js",
    }
    for name, path in found.items():
        if not path.exists():
            raise MissingTool(f"{name} is not installed", "type: make setup")
    return {name: path.resolve() for name, path in found.items()}


def run(command: list[str], **environment: str) -> str:
    """Run a tool; its last words are the error where it fails."""
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | environment)
    if result.returncode:
        last = "\n".join((result.stdout + result.stderr).splitlines()[-15:])
        raise BuildFailed(f"{command[0]} failed ({result.returncode}):\n{last}", f"by hand: {' '.join(command)}")
    return result.stdout


def built_ids(names: Iterable[str]) -> dict[str, str]:
    """Tag -> id of those that the engine has."""
    ask = ["docker", "image", "ls", "--no-trunc", "--filter", "label=edgedrop.image", "--format", "{{json .}}"]
    rows = [json.loads(line) for line in run(ask).splitlines()]
    there = {f"{row['Repository']}:{row['Tag']}": row["ID"] for row in rows}
    return {name: there[name] for name in names if name in there}


def in_cache(kind: str, key: str, make: Callable[[Path], None]) -> Path:
    """The file or folder that `make` makes, kept under the key; a killed run leaves nothing half-made under it."""
    path = cache() / kind / hashlib.sha256(key.encode()).hexdigest()[:16]
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".making-") as work:
            part = Path(work) / "part"
            make(part)
            part.replace(path)
    return path


def alone() -> AbstractContextManager[None]:
    """One build at a time on a machine: a second one would make the same things again."""
    cache().mkdir(parents=True, exist_ok=True)
    return locked(cache() / "images.lock")


def rootfs(image: Image) -> Path:
    """A root file system as a tar file."""

    def make(part: Path) -> None:
        command = ["mmdebstrap", f"--variant={image.variant}", f"--include={','.join(image.packages)}", "--format=tar"]
        # Docker makes /dev itself; device nodes in a layer only need rights that an engine may not have.
        command += ["--skip=output/dev", *(f"--dpkgopt=path-exclude={path}" for path in _EXCLUDED)]
        hooks = (*_HOOKS, *(f'rm -rf "$1"{path}' for path in leave_out(image)))
        run([*command, *(f"--customize-hook={hook}" for hook in hooks), SUITE, str(part)])

    return in_cache("rootfs", rootfs_recipe(image) + repr((_EXCLUDED, _HOOKS)), make)


def site(image: Image) -> Path:
    """The Python packages of a lock, as a folder, byte-compiled: a service can't write there."""
    lock = site_lock(image)

    def make(part: Path) -> None:
        command = ["uv", "pip", "install", "--quiet", "--target", str(part), "--python", sys.executable]
        command += ["--only-binary", ":all:", "--require-hashes", "--link-mode", "copy", "-r", str(lock)]
        run(command, PATH=f"{cache() / 'bin'}:{os.environ['PATH']}", UV_SYSTEM_CERTS="1")
        for pattern in _NOT_AT_RUN_TIME:
            for path in part.glob(pattern):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        _compile(part, "/opt/edgedrop/site")

    return in_cache("site", lock.read_text() + sys.version + repr(_NOT_AT_RUN_TIME), make)


def _compile(folder: Path, place: str) -> None:
    """Byte-compile; valid whatever the files' times, since layers and clones change those."""
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    compileall.compile_dir(str(folder), ddir=place, quiet=2, invalidation_mode=mode, workers=2)


def fill_context(image: Image, binaries: dict[str, Path], context: Path) -> None:
    """Everything that the Dockerfile copies."""
    for name, source in context_files(image).items():
        _place(source, context / name)
    for tool in image.tools:
        _place(binaries[tool], context / tool)
    if image.packages:
        os.link(rootfs(image), context / "rootfs.tar")
    if image.site:
        shutil.copytree(site(image), context / "site", copy_function=os.link)
    if image.app:
        _compile(context / "app", "/opt/edgedrop/app")


def _place(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    # As git would check it out, whatever this machine's umask did.
    executable = source.stat().st_mode & 0o100
    target.chmod(0o755 if executable else 0o644)


def build(image: Image, tag: str, parent: str, binaries: dict[str, Path]) -> str:
    """Build one image; the answer is its id."""
    (cache() / "tmp").mkdir(parents=True, exist_ok=True)
    # In the cache, so that the big parts can be linked instead of copied.
    with tempfile.TemporaryDirectory(dir=cache() / "tmp", prefix=f"context-{image.name}-") as work:
        fill_context(image, binaries, Path(work))
        command = ["docker", "build", "--quiet", "--network=none", "--force-rm", "--tag", tag]
        command += ["--label", f"edgedrop.image={image.name}"]
        command += ["--build-arg", f"PARENT={parent}"] if parent else []
        # The classic builder: a bare Debian has no buildx.
        return run([*command, work], DOCKER_BUILDKIT="0").strip()


def build_all(say: Callable[[str], None]) -> dict[str, dict[str, str]]:
    """Build what is not there; the answer says of every image its tag and id."""
    binaries = tools()
    names = tags(IMAGES, binaries)
    ids = built_ids(names.values())
    missing = [image for image in IMAGES if names[image.name] not in ids]
    # The slow parts first, two at a time: they wait for the network and for a core in turns.
    with ThreadPoolExecutor(2) as pool:
        for line in pool.map(_prefetch, missing):
            if line:
                say(line)
    for image in missing:
        tag = names[image.name]
        ids[tag] = build(image, tag, names.get(image.parent, ""), binaries)
        say(f"built  {tag}")
    if not missing:
        say(f"nothing changed: {len(IMAGES)} images")
    return {name: {"tag": tag, "id": ids[tag]} for name, tag in names.items()}


def _prefetch(image: Image) -> str:
    start = time.monotonic()
    parts = [part(image) for part, wanted in ((rootfs, image.packages), (site, image.site)) if wanted]
    took = time.monotonic() - start
    return f"made   the packages of {image.name} ({took:.1f} s)" if parts and took > 1 else ""


def write_images(images: dict[str, dict[str, str]]) -> None:
    """Write build/images.json, whole or not at all."""
    BUILD.mkdir(exist_ok=True)
    part = BUILD / f".images.json.{os.getpid()}"
    part.write_text(json.dumps(images, indent=2) + "\n")
    part.replace(BUILD / "images.json")


def main() -> int:
    """Build, and say how long each took."""
    parser = argparse.ArgumentParser(prog="python -m node_image.build", description="Build the images that changed.")
    parser.add_argument("--json", action="store_true", help="print build/images.json on standard output")
    wanted = parser.parse_args()
    start = time.monotonic()

    def say(line: str) -> None:
        print(f"[{time.monotonic() - start:5.1f} s] {line}", file=sys.stderr if wanted.json else sys.stdout, flush=True)

    try:
        with alone():
            images = build_all(say)
            write_images(images)
    except EdgedropError as error:
        print(f"error: {error.message}\nhint: {error.hint}", file=sys.stderr)
        return error.exit_code
    if wanted.json:
        print(json.dumps(images, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
