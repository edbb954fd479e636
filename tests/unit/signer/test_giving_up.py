"""A node gives its keys up: for the owner alone, closed grants only, and once begun there is no way back to a key."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from node_image import durable
from node_image.protocol import closeout, command, dsse, journal
from node_image.protocol.acts import close_out_hash
from node_image.protocol.command import Action, Command, Drain, ReleaseKeys
from node_image.protocol.eip712 import digest
from node_image.protocol.journal import Kind
from node_image.protocol.lease import LeaseDocument
from node_image.protocol.signature import recover
from node_image.signer import giving_up, reserves
from node_image.signer.client import SignerClient, SignerRefused
from node_image.signer.core import Refused, Signer
from node_image.signer.giving_up import REASON, NodeKeys, label
from node_image.signer.keystores import HsmFault, Shared
from node_image.signer.keystores.file import FileKeystore
from node_image.signer.status import status
from tests.drop_on_disk import Drop, make_drop, softhsm_missing
from tests.unit.protocol.world import SEPARATOR
from tests.unit.signer.box import LEASES, OWNER, Box, sold


class Killed(BaseException):
    """SIGKILL: nobody catches it."""


def told(key: bytes, node: str, action: Action | None = None) -> bytes:
    """A command; at the signer its number and its time are the door's affair."""
    return command.sign(Command(1, "lights", node, 1, 0, 1, action or ReleaseKeys()), key)


def keys_of(box: Box) -> NodeKeys:
    return NodeKeys(box.facts, Shared(f"file:?folder={box.folder}/keys"), box.folder)


async def serve(box: Box, keys: NodeKeys) -> Signer:
    """As serve_grant does it."""
    enrolment = keys.key(reserves.label(box.facts.node))
    signer = Signer(box.facts, keys.key(label(box.facts)), enrolment, box.journal(box.path), box.count)
    await signer.open()
    keys.signers[box.facts.epoch] = signer
    return signer


async def closed(box: Box) -> tuple[NodeKeys, Signer, closeout.Command]:
    """A node that sold one and is closed out."""
    keys, facts = keys_of(box), box.facts
    signer = await serve(box, keys)
    grant = (facts.drop, facts.node, facts.epoch, facts.grant_id)
    await signer.take_lease(LeaseDocument(1, *grant, "0x" + signer.address.hex(), LEASES), b"{}")
    await box.vouch(signer)
    await sold(signer, "a")
    wanted = closeout.Command(1, *grant)
    await signer.close(wanted)
    return keys, signer, wanted


async def no(asked: Any) -> tuple[str, str]:
    with pytest.raises(Refused) as refused:
        await asked
    return refused.value.code, str(refused.value)


def held(box: Box) -> set[str]:
    return {path.name for path in (box.folder / "keys").glob("*quay-appliance1*")}


async def test_an_open_grant_keeps_its_keys(box: Box) -> None:
    keys = keys_of(box)
    await serve(box, keys)
    code, reason = await no(keys.give_up(told(OWNER, box.facts.node)))
    assert code == "not_closed"
    assert reason.endswith("edgedrop closeout quay-appliance1 --epoch 1")
    assert len(held(box)) == 2
    assert keys_of(box).given_up is None


@pytest.mark.parametrize(
    "envelope",
    [
        told(dsse.new_private_pem(), "quay-appliance1"),
        told(OWNER, "quay-appliance2"),
        told(OWNER, "quay-appliance1", Drain("")),
        b"",
    ],
    ids=["another's key", "another node", "another action", "nothing"],
)
async def test_nothing_but_the_owners_own_word_has_them_destroyed(box: Box, envelope: bytes) -> None:
    keys, _, _ = await closed(box)
    assert (await no(keys.give_up(envelope)))[0] == "bad_command"
    assert len(held(box)) == 2


async def test_an_epoch_that_does_not_serve_yet_is_waited_for(box: Box) -> None:
    assert (await no(keys_of(box).give_up(told(OWNER, box.facts.node))))[0] == "not_ready"


async def test_given_up_it_says_so_and_repeats_its_last_word_and_no_other(box: Box) -> None:
    keys, signer, wanted = await closed(box)
    last, hashed = {await signer.close(wanted)}, close_out_hash(bytes.fromhex(box.facts.grant_id[2:]), (1, 0))
    both, found = sorted((label(box.facts), reserves.label(box.facts.node))), signer.find("a")
    assert await keys.give_up(told(OWNER, box.facts.node)) == both
    assert await keys.give_up(told(OWNER, box.facts.node)) == both, "said again it is done"
    assert held(box) == set()
    for one in (signer, await serve(box, keys_of(box))):
        shown = status(one)
        assert (shown["ready"], shown["reason"], shown["keystore"]["down"]) == (False, REASON, REASON)
        last.add(await one.close(wanted))
        assert one.find("a") == found, "what it sold is still found"
        with pytest.raises(HsmFault, match="gave its keys up"):
            one._key.sign(bytes(32))
    for high_seqs, signature in last:
        assert high_seqs == (1, 0)
        assert recover(digest(SEPARATOR, hashed), signature) == signer.address
    with pytest.raises(HsmFault, match="gave its keys up"):
        keys_of(box).key("harbour-lights/quay-appliance1/2")
    assert held(box) == set(), "and no new key is made"


def killed(before: Callable[..., Any] | None, real: Callable[..., Any]) -> Callable[..., Any]:
    def step(*arguments: Any) -> Any:
        if before is None:
            raise Killed
        real(*arguments)
        raise Killed

    return step


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    ("where", "name"), [(durable, "write"), (FileKeystore, "destroy")], ids=["written", "destroyed"]
)
async def test_killed_anywhere_it_has_all_its_keys_or_none_signs_again(
    box: Box, monkeypatch: pytest.MonkeyPatch, where: Any, name: str, *, late: bool
) -> None:
    keys, _, wanted = await closed(box)
    real = getattr(where, name)
    with monkeypatch.context() as patched:
        patched.setattr(where, name, killed(real if late else None, real))
        with pytest.raises(Killed):
            await keys.give_up(told(OWNER, box.facts.node))
    next_one = keys_of(box)
    await next_one.finish()
    signer = await serve(box, next_one)
    begun = name == "destroy" or late
    assert (next_one.given_up is not None, held(box) == set()) == (begun, begun)
    assert status(signer)["reason"] == (REASON if begun else "this node's grant is closed out")
    await signer.close(wanted)
    await next_one.give_up(told(OWNER, box.facts.node))
    assert held(box) == set()


async def test_an_hsm_that_is_out_is_waited_for(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    keys, signer, _ = await closed(box)
    real, tries = FileKeystore.destroy, [0]

    def out(store: FileKeystore, one: str) -> None:
        tries[0] += 1
        if tries[0] < 3:
            raise HsmFault("the token is gone")
        real(store, one)

    monkeypatch.setattr(FileKeystore, "destroy", out)
    monkeypatch.setattr(giving_up, "AGAIN_S", 0.01)
    assert (await no(keys.give_up(told(OWNER, box.facts.node))))[0] == "stopped"
    assert status(signer)["reason"] == REASON, "whatever its HSM does, it signs nothing more"
    await asyncio.wait_for(keys_of(box).finish(), 5)
    assert held(box) == set()


def objects(drop: Drop) -> int:
    """Keys of the token, as SoftHSM keeps them: a file each beside the token's own."""
    return sum(path.name != "token.object" for path in drop.folder.rglob("*.object"))


@pytest.mark.skipif(bool(softhsm_missing()), reason=softhsm_missing())
def test_a_real_token_is_empty_after_it_and_a_restart_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drop = make_drop(tmp_path / "d")
    monkeypatch.setenv("SOFTHSM2_CONF", str(drop.folder / "softhsm2.conf"))
    for run in range(2):
        process = drop.signer()
        try:
            key, client = str(drop.ask("address")["key"]), SignerClient(drop.socket)
            if not run:
                asyncio.run(client.ask("lease", envelope=drop.lease(key)))
                drop.vouch()
                asyncio.run(SignerClient(drop.socket).ask("close", envelope=drop.close()))
                assert objects(drop) == 4
            given = drop.ask("give-up", stdin=told(drop.owner, drop.facts.node))
            assert given == {"keys": sorted((label(drop.facts), reserves.label(drop.facts.node)))}
            shown = drop.ask("status")
            assert (shown["reason"], shown["key"]) == (REASON, key)
            with pytest.raises(SignerRefused, match="closed out"):
                asyncio.run(_claims(drop))
        finally:
            process.kill()
            process.wait()
    assert objects(drop) == 0
    (kept,) = (drop.folder / "journal").glob("*.journal")
    assert journal.scan(kept.read_bytes()).frames[-1].kind is Kind.CLOSE


async def _claims(drop: Drop) -> None:
    asked = drop.claim(f"late-{time.monotonic_ns()}")
    fields = {"tier": asked.tier, "to": asked.to, "slot": asked.slot, "signature": asked.signature}
    await SignerClient(drop.socket).ask("claim", claim_id=asked.claim_id, **fields)
