"""`edgedrop manifest`: build it from the files, sign it, check a signed one against the files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infra import keys
from infra.errors import NotVerified
from infra.home import home, place, write_private
from infra.ops.drops import manifest_of, open_drop
from infra.ops.output import answer, tell
from infra.spec import DropFile
from node_image.protocol import manifest
from node_image.protocol.errors import ProtocolError

app = typer.Typer(help="The drop's tokens and the fingerprints of their files.", no_args_is_help=True)
Drop = Annotated[str, typer.Argument(help="A name from inventory/drops, or a drop file's path.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON on stdout.")]


@app.command()
def build(drop: Drop, as_json: AsJson = False) -> None:
    """Fingerprint every asset; writes manifest.json to the state folder, signs nothing."""
    path, file = open_drop(drop)
    made, _ = manifest_of(path, file)
    target = place("drops", made.drop, "manifest.json")
    write_private(target, made.payload())
    _report(made, target, as_json=as_json)


@app.command()
def sign(drop: Drop, as_json: AsJson = False) -> None:
    """Build it, sign it with the owner's key, and put manifest and assets into content.zip."""
    path, file = open_drop(drop)
    _report(make_content(path, file), place("drops", file.spec.name, "content.zip"), as_json=as_json)


@app.command("verify")
def verify_manifest(drop: Drop, as_json: AsJson = False) -> None:
    """Check the signed manifest: the owner's signature, and every asset as it lies beside the drop file."""
    path, file = open_drop(drop)
    _, assets = manifest_of(path, file)
    signed = home() / "drops" / file.spec.name / "manifest.dsse.json"
    if not signed.exists():
        raise NotVerified(f"the manifest of {file.spec.name} is not signed yet", f"type: edgedrop manifest sign {drop}")
    try:
        found = manifest.verify(signed.read_bytes(), keys.owner_public_pem(), assets)
    except ProtocolError as fault:
        raise NotVerified(str(fault), f"if the change is meant, type: edgedrop manifest sign {drop}") from fault
    _report(found, signed, as_json=as_json)


def make_content(path: Path, file: DropFile) -> manifest.Manifest:
    """Signed manifest, content.zip and digest under the state folder; what is unchanged is left as it is."""
    made, assets = manifest_of(path, file)
    folder = home() / "drops" / made.drop
    if not _is_signed(made, assets):
        envelope = manifest.sign(made, keys.owner_pem())
        write_private(folder / "manifest.json", made.payload())
        write_private(folder / "manifest.dsse.json", envelope)
        write_private(folder / "content.zip", manifest.content_zip(envelope, assets))
        write_private(folder / "digest", manifest.digest(made.payload()).encode())  # last: it says that all is there
    return made


def _is_signed(made: manifest.Manifest, assets: dict[str, bytes]) -> bool:
    """Whether all that `sign` writes is there, for this manifest and by today's owner."""
    content = home() / "drops" / made.drop / "content.zip"
    if keys.manifest_digest(made.drop) != manifest.digest(made.payload()):
        return False
    try:
        return manifest.verify(manifest.read_content(content)[0], keys.owner_public_pem(), assets) == made
    except ProtocolError:
        return False


def _report(made: manifest.Manifest, where: Path, *, as_json: bool) -> None:
    digest = manifest.digest(made.payload())
    if as_json:
        tell({"drop": made.drop, "tokens": len(made.tokens), "digest": digest, "file": str(where)})
    else:
        answer(f"{made.drop}: {len(made.tokens)} tokens, digest {digest}")
        answer(f"in {where}")
