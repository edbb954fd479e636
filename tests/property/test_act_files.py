"""Acts as files: whatever a wallet is shown hashes to what is signed, any order of signing gives the same act."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from node_image.protocol import collected as collecting
from node_image.protocol.acts import (
    Act,
    AddRoots,
    Freeze,
    Holder,
    MintLost,
    OpenGrant,
    Reclaim,
    Revoke,
    Unfreeze,
)
from node_image.protocol.collected import Collected
from node_image.protocol.errors import NotVerified
from node_image.protocol.lease import Lease
from node_image.protocol.typed_data import check, typed_data
from tests.e2e.contract_world import HOLDERS, account

THREE = tuple(Holder(account(key)) for key in HOLDERS)


def hexes(size: int) -> st.SearchStrategy[str]:
    return st.binary(min_size=size, max_size=size).map(lambda raw: "0x" + raw.hex())


def uint(bits: int) -> st.SearchStrategy[int]:
    return st.integers(0, 2**bits - 1)


TERMS: dict[str, Any] = {"grant_id": hexes(32), "nonce": uint(256).map(str), "deadline": uint(64)}
LEASES = st.builds(Lease, uint(8), uint(40), uint(32), uint(40), uint(40))
SEQS = st.lists(st.tuples(uint(32), hexes(20)), max_size=4)
ACTS: st.SearchStrategy[Act] = st.one_of(
    *(st.builds(kind, **TERMS) for kind in (Freeze, Revoke, Unfreeze)),
    st.builds(
        AddRoots,
        roots=st.lists(hexes(32), max_size=4).map(tuple),
        high_seqs=st.lists(uint(32), max_size=4).map(tuple),
        **TERMS,
    ),
    st.builds(OpenGrant, key=hexes(20), leases=st.lists(LEASES, max_size=3).map(tuple), **TERMS),
    st.builds(Reclaim, tier=uint(8), from_seq=uint(32), **TERMS),
    st.tuples(SEQS, st.builds(MintLost, tier=uint(8), seqs=st.just(()), receivers=st.just(()), **TERMS)).map(
        lambda told: msgspec.structs.replace(
            told[1], seqs=tuple(seq for seq, _ in told[0]), receivers=tuple(to for _, to in told[0])
        )
    ),
)
FILES = st.builds(Collected, st.just(1), uint(64), hexes(20), ACTS)


@settings(max_examples=60, deadline=None)
@given(FILES)
def test_a_wallet_hashes_what_we_hash(made: Collected) -> None:
    shown = json.loads(json.dumps(typed_data(check(made))))
    signable = encode_typed_data(full_message=shown)
    assert keccak(b"\x19" + signable.version + signable.header + signable.body) == made.digest()


@settings(max_examples=60, deadline=None)
@given(FILES, st.permutations(HOLDERS))
def test_a_file_comes_back_and_any_order_of_signing_counts(made: Collected, order: list[str]) -> None:
    signed = made
    for key in order[: made.act.needed]:
        signed = collecting.load(collecting.dump(collecting.sign(signed, key, THREE)))
    assert (signed.act, signed.digest()) == (made.act, made.digest())
    numbers = [number for number, _ in collecting.numbered(signed, THREE)]
    assert numbers == sorted({HOLDERS.index(key) for key in order[: made.act.needed]})
    assert collecting.signer(signed, signed.signatures[0].signature) == account(order[0])
    with pytest.raises(NotVerified):
        collecting.numbered(msgspec.structs.replace(signed, chain_id=made.chain_id ^ 1), THREE)


@settings(max_examples=40, deadline=None)
@given(FILES, st.sampled_from(["0x12", "", "0x" + "zz" * 32, "-1", str(2**256)]))
def test_a_value_that_is_not_of_its_type_is_named(made: Collected, bad: str) -> None:
    for name in ("grant_id", "nonce"):
        if name == "nonce" and bad in {"0x12", ""}:
            continue
        act = msgspec.structs.replace(made.act, **{name: bad})
        with pytest.raises(NotVerified, match="of the act is no"):
            check(msgspec.structs.replace(made, act=act))
