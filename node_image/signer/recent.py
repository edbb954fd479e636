"""Vouchers of the batches that were asked for last; any other is read back from the journal when it is wanted."""

from __future__ import annotations

from collections import OrderedDict

from node_image.protocol.facts import DropFacts
from node_image.protocol.journal import ClaimRecord, JournalState
from node_image.protocol.voucher import Tree, Voucher, Vouchers


class Recent:
    """At most `most` claims are kept, whole batches of them, and always the last batch asked for."""

    def __init__(self, facts: DropFacts, state: JournalState, most: int) -> None:
        self._facts, self._state, self._most = facts, state, most
        self._kept: OrderedDict[int, Vouchers] = OrderedDict()
        self._claims = 0

    def of(self, number: int, tree: Tree | None = None) -> Vouchers:
        """A signed batch's vouchers; `tree` where it is at hand."""
        made = self._kept.pop(number, None)
        if made is None:
            made = Vouchers(self._facts, self._state.leases, self._state.batches[number], tree)
            self._claims += len(made.batch.claims)
        self._kept[number] = made
        while self._claims > self._most and len(self._kept) > 1:
            _, old = self._kept.popitem(last=False)
            self._claims -= len(old.batch.claims)
        return made

    def voucher(self, record: ClaimRecord) -> Voucher:
        """One claim's."""
        return self.of(record.batch_seq).of(record.index)
