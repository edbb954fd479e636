from __future__ import annotations

import msgspec
import pytest
from eth_account.messages import encode_typed_data

from node_image.protocol import frames, reserve
from node_image.protocol.acts import close_out_hash
from node_image.protocol.eip712 import digest
from node_image.protocol.errors import NotVerified, ProtocolError
from node_image.protocol.journal import Kind
from node_image.protocol.reserve import ReserveVoucher
from node_image.protocol.rules import Claim
from tests.unit.protocol.world import (
    FACTS,
    LEASE_KEY,
    NOW,
    SEPARATOR,
    Grown,
    address,
    claim,
    grown,
    key_claim,
    sign,
    wallet,
)

NODE_KEY = wallet(40)
DOMAIN = {"name": "Edgedrop", "version": "1", "chainId": FACTS.chain_id, "verifyingContract": FACTS.contract}


def reserved(seq: int | None = 2, asked: Claim | None = None) -> frames.Reserve:
    made = grown()
    made.reserved(asked or claim("d", 3), seq)
    return made.state.reserved["d"]


def document(told: frames.Reserve) -> ReserveVoucher:
    grant = bytes.fromhex(FACTS.grant_id[2:])
    signature = sign(NODE_KEY, digest(SEPARATOR, reserve.of_frame(grant, told).struct_hash()))
    return reserve.build(FACTS, grant, told, "no witness", address(NODE_KEY), signature)


@pytest.mark.parametrize("seq", [2, None])
def test_a_reserve_voucher_verifies_by_the_nodes_key(seq: int | None) -> None:
    reserve.verify(document(reserved(seq)), SEPARATOR, address(NODE_KEY))


@pytest.mark.parametrize(
    "bent",
    [{"seq": None}, {"seq": 3}, {"tier": 1}, {"slot": 1}, {"to": "0x" + "99" * 20}, {"claim_id": "e"}, {"at": 1}],
)
def test_nothing_of_it_can_be_changed(bent: dict[str, object]) -> None:
    changed = msgspec.structs.replace(document(reserved()), **bent)
    with pytest.raises(NotVerified):
        reserve.verify(changed, SEPARATOR, address(NODE_KEY))


def test_no_seq_is_another_thing_than_seq_0() -> None:
    grant = bytes(32)
    first, none = reserve.of_frame(grant, reserved(2)), reserve.of_frame(grant, reserved(None))
    zero = reserve.Reserve(grant, 0, 0, none.to, none.claim_key, 0, none.claim_hash, NOW)
    assert len({first.struct_hash(), none.struct_hash(), zero.struct_hash()}) == 3


@pytest.mark.parametrize("asked", [claim("d", 3), key_claim("d", 3)], ids=["wallet", "claim key"])
def test_close_out_and_reserve_hash_as_an_independent_library_hashes_them(asked: Claim) -> None:
    types = {"CloseOut": [{"name": "grantId", "type": "bytes32"}, {"name": "highSeqs", "type": "uint32[]"}]}
    grant, highs = bytes([7] * 32), [3, 0, 4_294_967_295]
    oracle = encode_typed_data(DOMAIN, types, {"grantId": grant, "highSeqs": highs})
    assert oracle.body == close_out_hash(grant, highs)
    told = reserve.of_frame(grant, reserved(asked=asked))
    fields = ["grantId:bytes32", "tier:uint8", "sequenced:bool", "seq:uint32", "to:address", "claimKey:address"]
    fields += ["slot:uint8", "claimHash:bytes32", "at:uint64"]
    named = [dict(zip(("name", "type"), one.split(":"), strict=True)) for one in fields]
    who = ["0x" + asked.to.hex(), "0x" + asked.claim_key.hex()]
    values: list[object] = [told.grant_id, 0, True, 2, *who, 0, told.claim_hash, NOW]
    message = dict(zip((one["name"] for one in named), values, strict=True))
    assert encode_typed_data(DOMAIN, {"Reserve": named}, message).body == told.struct_hash()


def test_a_reserve_voucher_takes_its_seq_like_a_claim() -> None:
    made = grown()
    made.reserved(claim("d", 3), 2)
    for asked, seq in [(claim("e", 4), 2), (claim("d", 3), 3), (claim("e", 3), 3)]:
        with pytest.raises(ProtocolError):
            made.reserved(asked, seq)
    with pytest.raises(ProtocolError, match="second time"):
        made.claimed(claim("f", 3), 3)


def test_one_without_a_seq_takes_none_and_is_counted() -> None:
    made = grown()
    made.reserved(claim("d", 3), None)
    assert (made.state.next_seq[0], made.state.unsequenced) == (2, 1)
    made.claimed(claim("e", 3), 2)  # the same wallet's slot: an unsequenced one holds nothing
    made.batch()


def test_the_fold_exchanges_a_reserve_voucher_at_its_own_seq_only() -> None:
    for asked, seq in [(claim("d", 3), 3), (claim("d", 4), 2), (claim("d", 3, slot=1), 2)]:
        made = grown()
        made.reserved(claim("d", 3), 2)
        with pytest.raises(ProtocolError):
            made.claimed(asked, seq)
    made = grown()
    made.reserved(claim("d", 3), 2)
    made.reserved(claim("e", 4), 3)
    made.claimed(claim("d", 3), 2)
    made.batch()
    assert (made.state.next_seq[0], list(made.state.reserved)) == (4, ["e"])
    assert made.state.claims["d"].seq == 2


def test_a_close_out_counts_reserved_and_is_the_last_frame() -> None:
    made = grown()
    made.reserved(claim("d", 3), 2)
    with pytest.raises(ProtocolError, match="does not count"):
        made.append(Kind.CLOSE, {"high_seqs": [2, 1], "at": NOW})
    with pytest.raises(ProtocolError, match="does not count"):
        made.append(Kind.CLOSE, {"high_seqs": [3], "at": NOW})
    made.closed()
    assert made.state.closed == frames.Close((3, 1), NOW)
    with pytest.raises(ProtocolError, match="close-out"):
        made.claimed(claim("d", 3), 2)
    with pytest.raises(ProtocolError, match="close-out"):
        made.append(Kind.SIGNATURE, {"batch_seq": 0, "signature": sign(LEASE_KEY, bytes(32))})


def test_a_close_out_counts_what_no_signature_ever_covered() -> None:
    made = Grown()
    made.lease()
    made.claimed(claim("a"), 0)
    made.batch(signed=False)
    made.closed()
    assert made.state.closed == frames.Close((1, 0), NOW)


def test_time_frames_move_the_floor_by_the_rules_alone() -> None:
    made = Grown()
    made.lease()
    one = {"source": "hub", "lo_ms": NOW * 1000, "hi_ms": NOW * 1000 + 5, "boot_id": "b", "boot_ms": 7, "envelope": b""}
    with pytest.raises(ProtocolError, match="floor"):
        made.append(Kind.TIME, {"readings": [one], "floor_ms": 1, "command": b""})
    made = Grown()
    made.lease()
    made.append(Kind.TIME, {"readings": [one], "floor_ms": NOW * 1000, "command": b""})
    far = one | {"lo_ms": NOW * 2000, "hi_ms": NOW * 2000}
    with pytest.raises(ProtocolError, match="alone"):
        made.append(Kind.TIME, {"readings": [far], "floor_ms": NOW * 2000, "command": b""})
    made.claimed(claim("a"), 0)
    with pytest.raises(ProtocolError, match="already known"):
        made.batch(issued_at=NOW - 1)
    made.batch(issued_at=NOW + 9)
    with pytest.raises(ProtocolError, match="issued"):
        made.append(Kind.TIME, {"readings": [], "floor_ms": NOW * 1000, "command": b"signed"})
