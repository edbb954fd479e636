"""Messages out of bytes, however they are cut."""

from __future__ import annotations

import pytest

from node_image.signer.framing import MAX_REQUEST, Unframed, framed, messages

BODIES = [b"", b"a", b"bc" * 200]


@pytest.mark.parametrize("cut", [1, 3, 4, 5, 7, 500])
def test_whole_messages_come_out_in_order_and_the_rest_stays(cut: int) -> None:
    sent = b"".join(map(framed, BODIES)) + b"\0\0"
    data, found = bytearray(), []
    for begin in range(0, len(sent), cut):
        data += sent[begin : begin + cut]
        found += list(messages(data))
    assert (found, bytes(data)) == (BODIES, b"\0\0")


def test_a_length_no_message_has_is_refused_after_those_before_it() -> None:
    data = bytearray(framed(b"one") + (MAX_REQUEST + 1).to_bytes(4))
    came = messages(data)
    assert next(came) == b"one"
    with pytest.raises(Unframed):
        next(came)
