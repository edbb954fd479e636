"""What the signer says of itself on its socket."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import msgspec

from node_image.protocol.rules import Standing
from node_image.signer import giving_up
from node_image.signer.core import Signer


def status(signer: Signer) -> dict[str, Any]:
    """`fresh`: the witnesses `vouched_by` vouched for the journal; `time`: the interval, and who stands behind it."""
    state, standing = signer.state, signer.standing()
    left = {str(tier): lease.quota - state.next_seq[tier] for tier, lease in state.leases.items()}
    return {
        "grant_id": signer.facts.grant_id,
        "key": "0x" + signer.address.hex(),
        "head": state.head.hex(),
        "journal_seq": state.journal_seq,
        "durable_seq": signer.durable,
        "leases": [msgspec.to_builtins(lease) for lease in state.leases.values()],
        "issued": {str(tier): taken for tier, taken in state.next_seq.items()},
        "left": left if state.closed is None else dict.fromkeys(left, 0),
        "closed": state.closed is not None,
        "ready": not (reason := _reason(signer, standing)),
        "reason": reason,
        "fresh": standing.fresh,
        "vouched_by": signer.vouched_by,
        "time": _time(signer, standing),
        "enrolment": "0x" + signer.reserves.address.hex(),
        "keystore": asdict(signer.keystore()),
    }


def _reason(signer: Signer, standing: Standing) -> str:
    """Why it sells nothing; empty while it does."""
    if signer.stopped or standing.verdict.final:
        return signer.stopped or standing.verdict.reason
    if signer.state.closed:
        keystore = signer.keystore()
        return keystore.down if keystore.kind == giving_up.KIND else "this node's grant is closed out"
    return standing.unable if signer.state.leases else "this node holds no lease yet"


def _time(signer: Signer, standing: Standing) -> dict[str, object]:
    """The interval, who stands behind it, and what the last source said that was not believed."""
    time, anchor = standing.time, signer.state.clock.anchor
    source = anchor.source if anchor and time.hi is not None else ""
    return {"lo": time.lo, "hi": time.hi, "source": source, "refused": signer.time_refused}
