"""Our canonical CBOR against cbor2's, byte for byte, for every kind of frame."""

from __future__ import annotations

import cbor2
import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from node_image.protocol import cbor, frames
from node_image.protocol.lease import Lease

# Numbers at each head's edge, and between them.
EDGES = [0, 23, 24, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**64 - 1, 2**64]
UINT = st.one_of(st.sampled_from(EDGES), st.integers(0, 2**70))
SIGNATURE = st.binary(min_size=65, max_size=65)
ADDRESS = st.one_of(st.builds(bytes, st.just(20)), st.binary(min_size=20, max_size=20))  # zero, made anew, too
LEASE = st.builds(Lease, UINT, UINT, UINT, UINT, UINT)
TOLD = st.one_of(
    st.builds(frames.Grant, st.binary(min_size=32, max_size=32), st.binary(min_size=20, max_size=20)),
    st.builds(
        frames.Leases, st.builds(frames.LeaseList, st.lists(LEASE, max_size=3).map(tuple)), st.binary(max_size=300)
    ),
    st.builds(frames.Claim, st.text(max_size=70), UINT, UINT, ADDRESS, UINT, SIGNATURE, ADDRESS),
    st.builds(frames.Header, UINT, st.binary(min_size=32, max_size=32), UINT, UINT),
    st.builds(frames.Signed, UINT, SIGNATURE),
)


@settings(max_examples=60, deadline=None)
@given(TOLD)
def test_a_frame_is_written_as_cbor2_writes_it(told: frames.Told) -> None:
    plain = msgspec.to_builtins(told, builtin_types=(bytes, int))
    if plain.get("claim_key") == frames.NO_ADDRESS:
        del plain["claim_key"]
    written = cbor.dumps(told)
    assert written == cbor2.dumps(plain, canonical=True)
    assert msgspec.convert(cbor2.loads(written), type(told)) == told
