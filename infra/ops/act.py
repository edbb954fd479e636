"""`edgedrop act`: an act of the holders as a file that goes from one to the next, in any order, on any machine."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from infra.errors import BadUsage, NotVerified
from infra.ops import effects
from infra.ops.act_file import place_of, read_act
from infra.ops.acting import AsJson, Pay, Rpc, Ways, Yes, report, submit, who, write_act
from infra.ops.holder_keys import address, read_key
from infra.ops.output import answer, confirm, say, tell
from infra.ops.place import ADDRESS, Place, told
from infra.ops.standing import standing
from node_image.protocol import collected as collecting
from node_image.protocol.acts import Holder, when
from node_image.protocol.collected import Collected, Signature
from node_image.protocol.create2 import checksummed
from node_image.protocol.errors import ProtocolError
from node_image.protocol.typed_data import typed_data

app = typer.Typer(help="An act of the holders, signed one after the other.", no_args_is_help=True)
File = Annotated[Path, typer.Argument(help="The act, as --out wrote it.")]
Files = Annotated[list[Path], typer.Argument(help="The act; several copies are put together.")]
TAMPERED = "somebody changed it after it was signed, or it is damaged: have it made anew"


@app.callback()
def act() -> None:
    """An act of the holders, signed one after the other."""


@app.command()
def show(
    files: Files,
    typed: Annotated[bool, typer.Option("--typed-data", help="As eth_signTypedData_v4 takes it.")] = False,
    rpc: Rpc = None,
    as_json: AsJson = False,
) -> None:
    """Say in plain words what it does, who has signed, who is missing, until when."""
    wanted = read_act(files)
    if typed:
        tell(typed_data(wanted))
        return
    place, unseen = place_of(wanted, rpc)
    holders = _holders(place)
    state = _state(place, wanted, holders)
    if as_json:
        signed = [one.holder for one in wanted.signatures]
        missing = collecting.missing(wanted)
        names = [one.address for one in holders]
        told_ = {"act": type(wanted.act).__name__, "words": wanted.words(), "signed": signed, "missing": missing}
        tell({**told_, "deadline": wanted.act.deadline, "holders": names, "state": state, "unseen": unseen})
        return
    answer(wanted.words())
    answer(who(wanted, holders) if holders else f"signed by {', '.join(_signers(wanted)) or 'nobody'}")
    answer(f"state: {state}")
    for thing in unseen:
        answer(f"not looked at: {thing}")


@app.command()
def sign(
    file: File,
    key: Annotated[Path | None, typer.Option(help="The holder's key file (0x hex, mode 0600).")] = None,
    signature: Annotated[
        str | None, typer.Option(help="0x hex, made elsewhere: by a wallet, by a holder's contract.")
    ] = None,
    holder: Annotated[str | None, typer.Option(help="Whose --signature it is, where that is a contract.")] = None,
    rpc: Rpc = None,
    yes: Yes = False,
) -> None:
    """Show what it says, then add a holder's signature to the file."""
    if (key is None) is (signature is None):
        raise BadUsage("give --key or --signature, one of the two", "edgedrop act sign act.json --key holder.key")
    wanted = read_act([file])
    place, unseen = place_of(wanted, rpc)
    given = _by_key(wanted, read_key(key)) if key else _by_hex(wanted, signature or "", holder)
    holders = _holders(place) or _taken_as_they_say(wanted, given, contractual=holder is not None)
    _may_sign(wanted, given, holders, place)
    say(wanted.words())
    for thing in unseen:
        say(f"not looked at: {thing}")
    confirm(f"sign this as {given.holder}", yes=yes)
    with told():
        signed = collecting.add(wanted, given, holders)
    write_act(file, signed)
    say(f"{file}: {who(signed, holders) if place else 'signed by ' + ', '.join(_signers(signed))}")


@app.command("submit")
def submit_(files: Files, pay: Pay = None, rpc: Rpc = None, yes: Yes = False, as_json: AsJson = False) -> None:
    """Send it to the contract once enough holders have signed, and read back what it did."""
    wanted = read_act(files)
    place, unseen = place_of(wanted, rpc)
    if place is None:
        raise BadUsage(f"{unseen[0]} is not known here", "give --rpc <a node of its chain>")
    before = standing(place, wanted.act.grant_id)
    before.tell()
    ways = Ways(pay=pay, yes=yes, as_json=as_json)
    with told():
        already = effects.done(place.chain, place.contract, wanted.act)
    if already:
        report(place, wanted.act, before, ways, None)
        return
    holders = _holders(place)
    _may_submit(place, wanted, holders)
    say(wanted.words())
    confirm("submit it", yes=yes)
    report(place, wanted.act, before, ways, submit(place, wanted, pay, []))


def _holders(place: Place | None) -> tuple[Holder, ...]:
    if place is None:
        return ()
    with told():
        return place.chain.holders(place.contract)


def _taken_as_they_say(wanted: Collected, given: Signature, *, contractual: bool) -> tuple[Holder, ...]:
    """Where no chain tells the holders: whoever signed; a contract's signature is then taken unseen."""
    others = [Holder(one) for one in _signers(wanted) if one != given.holder]
    return (*others, Holder(given.holder, "erc1271" if contractual else "ecdsa"))


def _signers(wanted: Collected) -> list[str]:
    return [one.holder for one in wanted.signatures]


def _by_key(wanted: Collected, key: str) -> Signature:
    return collecting.sign(wanted, key, [Holder(address(key))]).signatures[-1]


def _by_hex(wanted: Collected, signature: str, holder: str | None) -> Signature:
    """An ECDSA signature tells its signer; a contract's does not."""
    if not re.fullmatch("0x([0-9a-fA-F]{2})+", signature):
        raise BadUsage("--signature is not 0x and hex digits", "as eth_signTypedData_v4 gives it")
    if holder is not None:
        if not re.fullmatch(ADDRESS, holder):
            raise BadUsage(f"--holder {holder} is no address", "it is 0x and 40 hex digits")
        return Signature(checksummed(bytes.fromhex(holder[2:])), signature)
    with told():
        return Signature(collecting.signer(wanted, signature), signature)


def _may_sign(wanted: Collected, given: Signature, holders: Sequence[Holder], place: Place | None) -> None:
    _in_time(wanted, place)
    _all_good(wanted, holders)
    if given.holder.lower() not in {one.address.lower() for one in holders}:
        names = ", ".join(one.address for one in holders)
        raise NotVerified(f"{given.holder} is none of the holders", f"they are {names}; was exactly this act signed?")
    if given.holder.lower() in {one.lower() for one in _signers(wanted)}:
        raise BadUsage(f"{given.holder} has signed it already", "another holder must sign: two of three are two people")


def _may_submit(place: Place, wanted: Collected, holders: Sequence[Holder]) -> None:
    _in_time(wanted, place)
    _all_good(wanted, holders)
    if short := collecting.missing(wanted):
        raise NotVerified(f"{short} more of the holders must sign: {who(wanted, holders)}", "edgedrop act sign")
    if used := _used(place, wanted):
        raise NotVerified(
            f"holder {used} has used nonce {wanted.act.nonce} in an act already",
            "have it made anew, with a fresh nonce",
        )


def _used(place: Place, wanted: Collected) -> str | None:
    """A signer whose nonce was spent, by this act or by another one."""
    number = int(wanted.act.nonce)
    with told():
        spent = (one for one in _signers(wanted) if place.chain.nonce_used(place.contract, one, number))
        return next(spent, None)


def _in_time(wanted: Collected, place: Place | None) -> None:
    if _now(place) > wanted.act.deadline:
        raise NotVerified(f"the act was valid until {when(wanted.act.deadline)}", "have it made anew")


def _now(place: Place | None) -> int:
    """The chain's clock, ours where there is no chain."""
    if place is None:
        return int(time.time())
    with told():
        return place.chain.block()[1]


def _all_good(wanted: Collected, holders: Sequence[Holder]) -> None:
    try:
        for one in wanted.signatures:
            collecting.add(wanted, one, holders)
    except ProtocolError as fault:
        raise NotVerified(f"a signature in the file is not good: {fault}", TAMPERED) from fault


def _state(place: Place | None, wanted: Collected, holders: Sequence[Holder]) -> str:
    """In a few words, how it stands."""
    if holders:
        _all_good(wanted, holders)
    state: Any = None
    if place is not None:
        with told():
            state = "done" if effects.done(place.chain, place.contract, wanted.act) else None
    if state is None and _now(place) > wanted.act.deadline:
        state = "expired"
    if state is None and place is not None and _used(place, wanted):
        state = "nonce used"
    short = collecting.missing(wanted)
    return state or (f"waits for {short} more signatures" if short else "ready to submit")
