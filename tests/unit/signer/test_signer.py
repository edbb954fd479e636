"""The signer on a real SoftHSM2 token: it answers, survives, and signs nothing the journal doesn't hold first."""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from coincurve import PrivateKey

from node_image.protocol import journal, voucher
from node_image.protocol.acts import close_out_hash
from node_image.protocol.eip712 import digest
from node_image.protocol.journal import Kind
from node_image.protocol.rules import Claim
from node_image.protocol.signature import recover
from node_image.signer.client import SignerClient, SignerRefused
from tests.drop_on_disk import Drop, make_drop, softhsm_missing

OWN = PrivateKey(b"\x05" * 32)
pytestmark = pytest.mark.skipif(bool(softhsm_missing()), reason=softhsm_missing())


@pytest.fixture
def drop(tmp_path: Path) -> Drop:
    """A node's files."""
    return make_drop(tmp_path)


@pytest.fixture
def client(drop: Drop) -> Iterator[SignerClient]:
    """A signer that holds its lease."""
    process = drop.signer()
    try:
        key = str(drop.ask("address")["key"])
        asyncio.run(ask(SignerClient(drop.socket), "lease", envelope=drop.lease(key)))
        drop.vouch()
        yield SignerClient(drop.socket)
    finally:
        process.kill()
        process.wait()


async def ask(client: SignerClient, op: str, **fields: object) -> dict[str, object]:
    """One question, on the event loop of this call."""
    return dict(await client.ask(op, **fields))


async def claim(client: SignerClient, asked: Claim) -> voucher.Voucher:
    """A claim's voucher."""
    told = await client.ask(
        "claim", claim_id=asked.claim_id, tier=asked.tier, to=asked.to, slot=asked.slot, signature=asked.signature
    )
    return msgspec.convert(told["voucher"], voucher.Voucher)


def frames(drop: Drop) -> tuple[journal.Frame, ...]:
    """The journal as it lies on disk."""
    (file,) = (drop.folder / "journal").glob("*.journal")
    return journal.scan(file.read_bytes()).frames


def test_a_voucher_verifies_with_the_grants_key(drop: Drop, client: SignerClient) -> None:
    made = asyncio.run(claim(client, drop.claim("one")))
    voucher.verify(made, str(drop.ask("address")["key"]))
    assert made.token_id == "100"


def test_the_same_claim_again_gets_the_same_voucher(drop: Drop, client: SignerClient) -> None:
    asked = drop.claim("one")

    async def twice() -> tuple[voucher.Voucher, voucher.Voucher]:
        return await claim(client, asked), await claim(client, asked)

    first, second = asyncio.run(twice())
    assert first == second


def test_another_claim_under_the_same_id_is_a_conflict(drop: Drop, client: SignerClient) -> None:
    async def both() -> None:
        await claim(client, drop.claim("one"))
        await claim(client, drop.claim("one"))

    with pytest.raises(SignerRefused) as refused:
        asyncio.run(both())
    assert refused.value.code == "conflict"


def test_what_waits_together_goes_under_one_batch_and_every_token_once(drop: Drop, client: SignerClient) -> None:
    asked = [drop.claim(f"c{number}") for number in range(200)]

    async def all_at_once() -> list[voucher.Voucher]:
        return list(await asyncio.gather(*(claim(client, one) for one in asked)))

    made = asyncio.run(all_at_once())
    key = str(drop.ask("address")["key"])
    for one in made:
        voucher.verify(one, key)
    assert len({one.token_id for one in made}) == len(made)
    assert len({one.batch.batch_seq for one in made}) < len(made) / 4, "claims that waited together were not grouped"


def test_after_a_kill_every_answered_claim_is_there_with_its_digest(drop: Drop) -> None:
    asked = [drop.claim(f"c{number}") for number in range(20)]

    async def serve_all(lease: bytes | None) -> list[voucher.Voucher]:
        client = SignerClient(drop.socket)
        if lease:
            await client.ask("lease", envelope=lease)
        return [await claim(client, one) for one in asked]

    told: list[list[voucher.Voucher]] = []
    for run in range(2):
        process = drop.signer()
        try:
            key = str(drop.ask("address")["key"])
            drop.vouch()
            told.append(asyncio.run(serve_all(None if run else drop.lease(key))))
        finally:
            process.kill()
            process.wait()
    before, after = told
    assert [(one.token_id, one.batch) for one in after] == [(one.token_id, one.batch) for one in before]


def test_a_second_signer_of_the_grant_ends_and_the_first_one_goes_on(drop: Drop, client: SignerClient) -> None:
    """An engine that was killed may start one while it has forgotten another: two would sign one number twice."""
    asyncio.run(claim(client, drop.claim("one")))
    command = [sys.executable, "-m", "node_image.signer"]
    second = subprocess.run(command, env=drop.environment(), stderr=subprocess.PIPE, timeout=20, check=False)
    assert (second.returncode, b"another process has the journal open" in second.stderr) == (1, True), second.stderr
    asyncio.run(claim(SignerClient(drop.socket), drop.claim("two")))
    assert sum(frame.kind is Kind.CLAIM for frame in frames(drop)) == 2


def test_every_signature_has_its_header_before_it(drop: Drop, client: SignerClient) -> None:
    async def some() -> None:
        for number in range(5):
            await claim(client, drop.claim(f"c{number}"))

    asyncio.run(some())
    kinds = [frame.kind for frame in frames(drop)]
    for place, kind in enumerate(kinds):
        if kind is Kind.SIGNATURE:
            assert kinds[place - 1] is Kind.BATCH


def test_a_lease_for_another_key_is_refused(drop: Drop, client: SignerClient) -> None:
    with pytest.raises(SignerRefused, match="another grant or key"):
        asyncio.run(ask(client, "lease", envelope=drop.lease("0x" + "77" * 20)))


def test_a_lease_that_the_owner_did_not_sign_is_refused(drop: Drop, client: SignerClient, tmp_path: Path) -> None:
    stranger = make_drop(tmp_path / "stranger")
    with pytest.raises(SignerRefused, match="not signed by the owner"):
        asyncio.run(ask(client, "lease", envelope=stranger.lease(str(drop.ask("address")["key"]))))


def test_a_closed_grant_signs_nothing_not_even_after_a_restart(drop: Drop) -> None:
    key, closed = "", list[dict[str, object]]()
    for run in range(2):
        process = drop.signer()
        try:
            key = str(drop.ask("address")["key"])
            if not run:
                asyncio.run(ask(SignerClient(drop.socket), "lease", envelope=drop.lease(key)))
                drop.vouch()
                first = asyncio.run(claim(SignerClient(drop.socket), drop.claim("one", OWN)))
            closed += [asyncio.run(ask(SignerClient(drop.socket), "close", envelope=drop.close())) for _ in range(2)]
            with pytest.raises(SignerRefused, match="closed out"):
                asyncio.run(claim(SignerClient(drop.socket), drop.claim("two")))
            assert asyncio.run(claim(SignerClient(drop.socket), drop.claim("one", OWN))) == first
            assert drop.ask("status")["ready"] is False
        finally:
            process.kill()
            process.wait()
    hashed = close_out_hash(bytes.fromhex(drop.facts.grant_id[2:]), [1])
    for told in closed:
        assert told["high_seqs"] == [1]
        signature = told["signature"]
        assert isinstance(signature, bytes)
        assert "0x" + recover(digest(drop.facts.domain().separator, hashed), signature).hex() == key
    assert [frame.kind for frame in frames(drop)].count(Kind.CLOSE) == 1
    assert frames(drop)[-1].kind is Kind.CLOSE


def test_only_the_owner_closes_a_grant_and_only_this_one(drop: Drop, client: SignerClient, tmp_path: Path) -> None:
    stranger = make_drop(tmp_path / "stranger")
    with pytest.raises(SignerRefused, match="not signed by the owner"):
        asyncio.run(ask(client, "close", envelope=stranger.close()))
    with pytest.raises(SignerRefused, match="another grant"):
        asyncio.run(ask(SignerClient(drop.socket), "close", envelope=drop.close("0x" + "77" * 32)))


def test_a_full_disk_stops_it_and_room_revives_it(drop: Drop) -> None:
    """The limit on file sizes fails a write in its midst, as a full disk does; the signer is a process of its own."""
    process = drop.signer()
    try:
        client = SignerClient(drop.socket)
        asyncio.run(ask(client, "lease", envelope=drop.lease(str(drop.ask("address")["key"]))))
        drop.vouch()
        before, late = drop.claim("before"), drop.claim("late")
        first = asyncio.run(claim(SignerClient(drop.socket), before))
        wait_until(drop, lambda told: told["durable_seq"] == told["journal_seq"])
        (file,) = (drop.folder / "journal").glob("*.journal")
        size = file.stat().st_size
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size + 100, resource.RLIM_INFINITY))
        with pytest.raises(SignerRefused) as refused:
            asyncio.run(claim(SignerClient(drop.socket), late))
        assert refused.value.code == "stopped"
        wait_until(drop, lambda told: "disk takes nothing" in str(told["reason"]))
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        wait_until(drop, lambda told: bool(told["ready"]))
        second = asyncio.run(claim(SignerClient(drop.socket), late))
        assert asyncio.run(claim(SignerClient(drop.socket), before)) == first
        assert (first.token_id, second.token_id) == ("100", "101")
        wait_until(drop, lambda told: told["durable_seq"] == told["journal_seq"])
        claims = [frame.payload["claim_id"] for frame in frames(drop) if frame.kind is Kind.CLAIM]
        assert claims == ["before", "late"]
    finally:
        process.kill()
        process.wait()


def wait_until(drop: Drop, true: Callable[[dict[str, object]], bool]) -> None:
    """Until the signer's status is so; at most ten seconds."""
    deadline = time.monotonic() + 10
    while not true(told := asyncio.run(ask(SignerClient(drop.socket), "status"))):
        assert time.monotonic() < deadline, told
        time.sleep(0.05)  # the pace of asking
