"""Journal, ledger and chain: what each kind of difference is called, and that nothing else is."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from infra.ops.agreement import EpochSaid, GrantSaid, LedgerSaid, NodeSaid, Seen, compare
from infra.ops.drops import open_drop
from infra.plan import plan_drop
from infra.plan.model import Currency, DropPlan, Epoch
from tests.accounts import ACCOUNTS


@pytest.fixture(scope="module")
def plan() -> DropPlan:
    _, file = open_drop("harbour-lights")
    return plan_drop(file, stack="harbour-lights", slot=20, accounts=ACCOUNTS, manifest_digest="0x" + "ab" * 32)


def in_order(plan: DropPlan) -> Seen:
    """Every node answered one claim, and so did the cloud signer for each that it holds a grant of; all is redeemed."""
    minted = {one.leases[0].start: one.grant_id for one in plan.grants}
    tokens = frozenset(minted)
    return Seen(
        nodes={
            node.name: NodeSaid(
                ready=True, grant_id=node.grant_id, head=node.name, journal_seq=5, issued={"0": 1}, p50_ms=2, p99_ms=at
            )
            for at, node in enumerate(plan.nodes)
        }
        | {
            one.name: NodeSaid(ready=True, grant_id=one.grant_id, head=one.name, journal_seq=5, issued={"0": 1})
            for one in plan.cloud
        },
        ledger=LedgerSaid(
            tuple(GrantSaid(node.name, node.grant_id, 4, node.name, 1, 0, 0) for node in plan.grants), tokens, tokens
        ),
        chain=minted,
    )


def ledger_of(seen: Seen) -> LedgerSaid:
    """The ledger that answered."""
    assert seen.ledger is not None
    return seen.ledger


def grants_with(seen: Seen, **changes: object) -> LedgerSaid:
    """The ledger with its first grant changed."""
    ledger = ledger_of(seen)
    first, *others = ledger.grants
    return msgspec.structs.replace(ledger, grants=(msgspec.structs.replace(first, **changes), *others))


def told(plan: DropPlan, seen: Seen) -> list[str]:
    """All differences."""
    report = compare(plan, seen)
    found = [*report.differences, *(fault for geo in report.geographies for fault in geo.differences)]
    assert report.agree is not bool(found)
    return found


def test_who_sells_nothing_is_named_with_its_own_word(plan: DropPlan) -> None:
    seen = in_order(plan)
    drained = NodeSaid(ready=False, reason="drained by the responder")
    quay, mole = compare(plan, replace(seen, nodes={**seen.nodes, "quay-spare1": drained})).geographies
    assert (quay.ready, quay.unready, mole.unready) == (1, {"quay-spare1": "drained by the responder"}, {})


def test_what_agrees_agrees(plan: DropPlan) -> None:
    seen = in_order(plan)
    assert told(plan, seen) == []
    quay, mole = compare(plan, seen).geographies
    assert (quay.nodes, quay.reachable, quay.ready, quay.claims, quay.redeemed) == (2, 2, 2, 3, 3)
    assert (quay.p99_ms, mole.p99_ms) == (1, 3)


def test_what_was_paid_is_told_in_each_tiers_currency(plan: DropPlan) -> None:
    coin = Currency("0x" + "11" * 20, "USDX", 6)
    tiers = (replace(plan.tiers[0], currency=coin.address, price_wei=5_250_000), *plan.tiers[1:])
    priced = replace(plan, tiers=tiers, currencies=(coin,))
    seen = replace(in_order(plan), takings={0: 10_500_000, 2: 10**16})
    assert compare(priced, seen).takings == {"print": "10.5 USDX", "proof": "0.01 ETH"}
    assert compare(priced, in_order(plan)).takings == {}


def test_a_drop_without_a_claim_agrees(plan: DropPlan) -> None:
    seen = in_order(plan)
    nodes = {
        name: msgspec.structs.replace(said, issued={}, p50_ms=None, p99_ms=None)
        for name, said in seen.nodes.items()
        if said
    }
    ledger = ledger_of(seen)
    grants = tuple(msgspec.structs.replace(grant, vouchers=0) for grant in ledger.grants)
    quiet = Seen(nodes=nodes, ledger=LedgerSaid(grants, frozenset(), frozenset()), chain={})
    assert told(plan, quiet) == []
    assert compare(plan, quiet).geographies[0].p50_ms is None


def test_a_silent_node_is_unknown_and_its_claims_are_the_ledgers(plan: DropPlan) -> None:
    seen = in_order(plan)
    seen = replace(seen, nodes={**seen.nodes, "quay-appliance1": None}, silent={"quay-appliance1": "no answer"})
    assert told(plan, seen) == ["quay-appliance1 does not answer: its journal is unknown"]
    quay, mole = compare(plan, seen).geographies
    assert (quay.reachable, quay.claims, quay.agree, mole.agree) == (1, 3, False, True)


def test_a_cloud_signer_that_is_silent_or_ahead_of_the_ledger_is_said_and_is_no_node(plan: DropPlan) -> None:
    seen, name = in_order(plan), plan.cloud[0].name
    silent = replace(seen, nodes={**seen.nodes, name: None}, silent={name: "no answer"})
    assert told(plan, silent) == ["quay-appliance1-cloud does not answer: its journal is unknown"]
    ahead = NodeSaid(ready=True, grant_id=plan.cloud[0].grant_id, head="other", journal_seq=9, issued={"0": 2})
    (fault,) = told(plan, replace(seen, nodes={**seen.nodes, name: ahead}))
    assert fault.startswith("quay-appliance1-cloud's journal is at frame 9")
    assert [compare(plan, one).geographies[0].reachable for one in (seen, silent)] == [2, 2]


def test_a_mint_without_its_signer_is_not_ready_and_unknown(plan: DropPlan) -> None:
    seen = in_order(plan)
    seen = replace(seen, nodes={**seen.nodes, "quay-appliance1": NodeSaid(ready=False, reason="no socket")})
    assert "signer does not answer (no socket)" in told(plan, seen)[0]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"head": "other", "journal_seq": 3}, "the ledger is at frame 3 (head other)"),
        ({"head": None, "journal_seq": None}, "the ledger has none of it"),
        ({"vouchers": 0}, "journal has 1 claims, the ledger 0"),
        ({"grant_id": "0x00"}, "the ledger knows no grant of quay-appliance1"),
    ],
)
def test_a_journal_that_the_ledger_does_not_hold(plan: DropPlan, change: dict[str, object], says: str) -> None:
    seen = in_order(plan)
    (fault,) = told(plan, replace(seen, ledger=grants_with(seen, **change)))
    assert says in fault


def test_tokens_are_compared_by_id_not_by_count(plan: DropPlan) -> None:
    seen = in_order(plan)
    token, *others = sorted(seen.chain or {})
    chain = {t: g for t, g in (seen.chain or {}).items() if t != token} | {999: plan.nodes[0].grant_id}
    faults = told(plan, replace(seen, chain=chain))
    assert faults[0] == "the chain minted what the ledger does not hold: tokens 999"
    assert faults[1] == f"the ledger calls redeemed what the chain did not mint: tokens {token}"
    assert others


def test_a_voucher_that_waits_is_said(plan: DropPlan) -> None:
    seen = in_order(plan)
    token = min(seen.chain or {})
    ledger = msgspec.structs.replace(ledger_of(seen), redeemed_ids=ledger_of(seen).redeemed_ids - {token})
    chain = {t: g for t, g in (seen.chain or {}).items() if t != token}
    assert told(plan, replace(seen, ledger=ledger, chain=chain)) == ["1 vouchers are not redeemed yet"]


@pytest.mark.parametrize("state", ["superseded", "unpaid", "unreceived"])
def test_what_waits_for_its_buyer_or_is_superseded_is_not_waited_for(plan: DropPlan, state: str) -> None:
    seen = in_order(plan)
    token = plan.nodes[0].leases[0].start
    chain = {t: g for t, g in (seen.chain or {}).items() if t != token}
    ledger = msgspec.structs.replace(
        grants_with(seen, **{state: 1}), redeemed_ids=ledger_of(seen).redeemed_ids - {token}
    )
    assert told(plan, replace(seen, ledger=ledger, chain=chain)) == []


def test_a_silent_ledger_or_chain_is_no_agreement(plan: DropPlan) -> None:
    seen = in_order(plan)
    assert told(plan, replace(seen, ledger=None, silent={"the ledger": "refused"})) == [
        "the ledger tells nothing: refused"
    ]
    assert told(plan, replace(seen, chain=None, silent={"the chain": "refused"})) == [
        "the chain tells nothing: refused"
    ]


def test_what_the_ledger_refused_is_a_difference(plan: DropPlan) -> None:
    seen = in_order(plan)
    ledger = msgspec.structs.replace(ledger_of(seen), faults=({"reason": "head does not follow"},))
    assert "head does not follow" in told(plan, replace(seen, ledger=ledger))[0]


def test_a_key_that_signed_twice_and_vouchers_that_wait_for_the_holders_are_said(plan: DropPlan) -> None:
    seen = in_order(plan)
    token = plan.nodes[0].leases[0].start
    chain = {t: g for t, g in (seen.chain or {}).items() if t != token}
    ledger = msgspec.structs.replace(
        grants_with(seen, pending=1),
        redeemed_ids=ledger_of(seen).redeemed_ids - {token},
        equivocations=({"node": "quay-appliance1", "batch_seq": 7},),
    )
    assert told(plan, replace(seen, ledger=ledger, chain=chain)) == [
        "quay-appliance1's key signed batch 7 twice: it was copied",
        "1 vouchers of frozen or revoked grants wait for a supplement",
    ]


def test_each_epoch_of_a_node_has_its_own_journal(plan: DropPlan) -> None:
    quay, *others = plan.geographies
    first, *rest = quay.nodes
    newer = Epoch(2, "0x" + "22" * 32, (replace(first.leases[0], start=3, quota=1),))
    rotated = replace(plan, geographies=(replace(quay, nodes=(replace(first, later=(newer,)), *rest)), *others))
    seen = in_order(plan)
    said = seen.nodes[first.name]
    assert said is not None
    old = EpochSaid(ready=False, grant_id=first.grant_id, head=first.name, journal_seq=5, issued={"0": 1})
    new = EpochSaid(ready=True, grant_id=newer.grant_id, head="new", journal_seq=3, issued={"0": 1})
    both = msgspec.structs.replace(said, grant_id=newer.grant_id, journal_seq=3, head="new", epochs=(old, new))
    ledger = ledger_of(seen)
    held = GrantSaid(first.name, newer.grant_id, 2, "new", 1, 0, 0)
    known = LedgerSaid((*ledger.grants, held), ledger.token_ids | {3}, ledger.redeemed_ids | {3})
    agreed = Seen({**seen.nodes, first.name: both}, known, {**(seen.chain or {}), 3: newer.grant_id})
    assert told(rotated, agreed) == []
    assert [geo.claims for geo in compare(rotated, agreed).geographies] == [4, 3]
    assert [geo.redeemed for geo in compare(rotated, agreed).geographies] == [4, 3]
    assert told(rotated, replace(agreed, nodes=seen.nodes)) == [
        f"{first.name} (epoch 2) signs for grant {first.grant_id}, planned is {newer.grant_id}"
    ]
    behind = msgspec.structs.replace(
        known, grants=(*ledger.grants, msgspec.structs.replace(held, head="old", journal_seq=1))
    )
    assert [fault.split("'s journal is at frame 3")[0] for fault in told(rotated, replace(agreed, ledger=behind))] == [
        f"{first.name} (epoch 2)"
    ]
