"""A seeded walk over the contract's calls on a real EVM, each one held against the model of the rules."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import requests
from coincurve import PrivateKey

from node_image.hub import calls, redemption
from node_image.hub.reading import Status
from node_image.hub.redemption import SKIPPED
from node_image.hub.transactions import ERRORS
from node_image.protocol import acts, collected
from node_image.protocol.eip712 import grant_id
from node_image.protocol.hexes import unhex
from node_image.protocol.lease import Lease
from tests.chaos.contract_model import Item, Model, Range
from tests.e2e.contract_world import (
    COIN,
    COINS,
    FREE,
    HOLDERS,
    HUB,
    NODE,
    OPERATOR,
    OTHER,
    PRICE,
    RELAYER,
    TIERS,
    World,
    account,
    address,
    opening,
    wallet,
)

KEYS = (NODE, OTHER)
BUYER = "0x" + "b7" * 32
BUYERS = 12
COINS_EACH = 10**6
GAS = hex(16_000_000)
FAR = 2**40 - 1
CHECKED_EVERY = 250
TIER_COUNT = len(TIERS)


class Differs(Exception):
    """The contract and the model don't agree."""


class Walk:
    """One drop's contract, fresh; `calls` counts what was sent to it."""

    def __init__(self, drop: World, seed: int) -> None:
        self.drop, self.random = drop, random.Random(seed)  # noqa: S311  a walk that can be walked again
        self.session = requests.Session()
        self.calls = 0
        self.ask("anvil_autoImpersonateAccount", [True])
        for key in (BUYER, RELAYER):
            self.ask("anvil_setBalance", [account(key), hex(10**24)])
        self._coins(account(BUYER), account(OPERATOR))
        self.model = Model(drop.chain.block()[1], {account(who): COINS_EACH * PRICE for who in (BUYER, OPERATOR)})
        self.sold: list[tuple[Item, dict[str, Any]]] = []
        self.holders = drop.chain.holders(drop.contract)
        self.names: list[str] = []
        self.steps: tuple[tuple[Callable[[], None], int], ...] = (
            (self.redeem, 60), (self.open, 10), (self.anchor, 8), (self.status_act, 5), (self.close, 3),
            (self.equivocate, 2), (self.reclaim, 3), (self.mint_lost, 2), (self.later, 2),
        )  # fmt: skip

    def run(self, count: int, until: float = float("inf")) -> int:
        """So many calls, or as many as time allows; how many there were."""
        steps, weights = zip(*self.steps, strict=True)
        while self.calls < count and time.monotonic() < until:
            self.model.now += 1  # each call in a block of its own, whose time the model knows beforehand
            self.random.choices(steps, weights)[0]()
            if self.calls % CHECKED_EVERY == 0:
                self.check()
        self.check()
        return self.calls

    # ---- steps

    def open(self) -> None:
        """Sometimes over another lease, past its tier's end, too long, by a stranger's key."""
        # Many small leases: a tier is full after some hundred and lives by what comes back.
        tiers = self.random.sample(range(TIER_COUNT), self.random.choice((1, 1, 2, 3)))
        leases = [(tier, self._range(tier)) for tier in tiers]
        name = self.random.choice(self.names) if self.names and self.random.random() < 0.05 else f"g{len(self.names)}"
        grant = "0x" + grant_id("drop", name, 1).hex()
        number = self.random.randrange(2)
        told = [opening(tier, *one) for tier, one in leases]
        if self.random.random() < 0.7:
            wanted = self.model.open(grant, number, leases, by_operator=True)
            self.act(OPERATOR, calls.open_grant(grant, address(KEYS[number]), told), wanted)
        else:
            held = tuple(Lease(tier, *one) for tier, one in leases)
            wanted = self._holders(
                acts.OpenGrant, grant, lambda: self.model.open(grant, number, leases, by_operator=False),
                key=address(KEYS[number]), leases=held,
            )  # fmt: skip
        if not wanted:
            self.names.append(name)

    def redeem(self) -> None:
        """Up to eight vouchers: new ones, old ones again, wrong ones."""
        chosen = [self._voucher() for _ in range(self.random.choice((1, 2, 4, 8)))]
        payer = self.random.choice((BUYER, RELAYER))
        wei = sum(TIERS[item.tier].price_wei for item, _ in chosen if item.tier != COINS)
        wei = self.random.choice((wei, wei, wei // 2))
        items = self._once([self._proven(item, voucher) for item, voucher in chosen])
        wanted = self.model.redeem([item for item, _ in items], account(payer), wei)
        receipt = self.send(payer, redemption.call_data([voucher for _, voucher in items]), wei)
        told = dict.fromkeys(range(len(items)), 0)
        for log in receipt["logs"]:
            if log["topics"][0] == "0x" + SKIPPED.hex():
                told[int(log["data"][66:], 16)] = int(log["data"][2:66], 16)
        if receipt["status"] != "0x1" or list(told.values()) != list(wanted):
            asked = [item for item, _ in items]
            raise Differs(f"redeem: {receipt['status']} {list(told.values())}, the model says {wanted}: {asked}")

    def anchor(self) -> None:
        """Some of what was sold under a root; sometimes a stranger's, sometimes too high."""
        if (grant := self._grant()) is None:
            return
        batches = self.random.sample(ours, min(3, len(ours))) if (ours := self._sold_by(grant)) else []
        if not batches:
            return
        root, _ = self.drop.checkpoint(*([voucher] for _, voucher in batches))
        highs = [self._high(grant, tier) for tier in range(TIER_COUNT)]
        if self.random.random() < 0.7:
            wanted = self.model.anchor(grant, root, highs)
            self.act(HUB, calls.anchor(grant, root, highs), wanted)
        else:
            wanted = self._holders(
                acts.AddRoots, grant, lambda: self.model.anchor(grant, root, highs, supplement=True),
                roots=("0x" + root.hex(),), high_seqs=tuple(highs),
            )  # fmt: skip
        if not wanted:
            self._keep_proofs(batches)

    def status_act(self) -> None:
        """Freeze, revoke, unfreeze."""
        if (grant := self._grant()) is None:
            return
        kind, act = self.random.choice(
            ((acts.Freeze, self.model.freeze), (acts.Revoke, self.model.revoke), (acts.Unfreeze, self.model.unfreeze),
             (acts.Unfreeze, self.model.unfreeze))
        )  # fmt: skip
        if kind is acts.Freeze and self.random.random() < 0.5:
            self.act(self.random.choice(HOLDERS), calls.freeze(grant), self.model.freeze(grant))
        else:
            self._holders(kind, grant, lambda: act(grant))

    def close(self) -> None:
        """At, above or below what was checkpointed."""
        if (grant := self._grant()) is None:
            return
        highs = [self._high(grant, tier) for tier in range(TIER_COUNT)]
        key = KEYS[self.model.grants[grant].key]
        signatures = self.drop.close_signatures(grant, highs, key)
        self.act(RELAYER, calls.close_out(grant, highs, *signatures), self.model.close(grant, highs))

    def equivocate(self) -> None:
        """Evidence against a grant, or none: one batch twice, another batchSeq, a signature of nobody."""
        grant = self._grant() if self.random.random() < 0.7 else None
        named = grant or "0x" + "ee" * 32
        key = KEYS[self.model.grants[grant].key] if grant else NODE
        second = 1 if self.random.random() < 0.7 else 2
        a, b = (
            self.drop.vouchers(named, [(FREE, seq, wallet(1), 0)], key, batch_seq=10**6 + at)[0]
            for seq, at in ((0, 1), (1, second))
        )
        if not grant:
            a, b = (one | {"signature": "0x" + "00" * 65} for one in (a, b))
        wanted = self.model.freeze(grant) if grant and second == 1 else "NotEquivocal"
        self.act(RELAYER, calls.report_equivocation(a, b), wanted)

    def reclaim(self) -> None:
        """Of any grant, whatever its state; of a revoked one that is over the likeliest."""
        over = [
            name
            for name, held in self.model.grants.items()
            if held.status is Status.REVOKED and any(self.model.now > lease[3] for lease in held.leases.values())
        ]
        grant = self.random.choice(over) if over and self.random.random() < 0.8 else self._grant()
        if grant is None:
            return
        tier = self.random.choice(list(self.model.grants[grant].leases))
        seq = self._high(grant, tier)
        self._holders(acts.Reclaim, grant, lambda: self.model.reclaim(grant, tier, seq), tier=tier, from_seq=seq)

    def mint_lost(self) -> None:
        """One token of any lease."""
        if (grant := self._grant()) is None:
            return
        tier, to = self.random.choice(list(self.model.grants[grant].leases)), wallet(self.random.randrange(BUYERS))
        seq = self.random.randrange(12)
        self._holders(
            acts.MintLost, grant, lambda: self.model.mint_lost(grant, tier, seq, to),
            tier=tier, seqs=(seq,), receivers=(to,),
        )  # fmt: skip

    def later(self) -> None:
        """Time goes on: redeem-by passes."""
        self.model.now += self.random.choice((10, 300, 3000))
        self.ask("evm_mine", [hex(self.model.now)])

    # ---- what a step needs

    def _range(self, tier: int) -> Range:
        spec = TIERS[tier]
        start = max(0, spec.first_token + self.random.randrange(-2, spec.supply))
        quota = self.random.choice((0, 3, 6, 6, 12, 12, spec.max_lease + 1))
        begin, end = self.random.choice(((0, FAR), (0, self.model.now + 900), (self.model.now + 200, FAR), (9, 9)))
        return start, quota, begin, end

    def _grant(self) -> str | None:
        """The newer the likelier."""
        known = list(self.model.grants)[-20:]
        return self.random.choice(known) if known else None

    def _high(self, grant: str, tier: int) -> int:
        held = self.model.grants[grant]
        if tier not in held.leases:
            return 0 if self.random.random() < 0.98 else 1
        covered, quota = held.covered.get(tier, 0), held.leases[tier][1]
        return max(0, self.random.choice((covered, covered, covered, quota, quota - 1, covered - 1, quota + 1)))

    def _voucher(self) -> tuple[Item, dict[str, Any]]:
        """One of those sold before, or a new one that is right or wrong in one way."""
        if self.sold and self.random.random() < 0.4:
            return self.random.choice(self.sold[-300:])
        alive = [name for name, one in self.model.grants.items() if one.status in {Status.OPEN, Status.CLOSED}]
        grant = self.random.choice(alive) if alive and self.random.random() < 0.7 else self._grant() or "0x" + "ee" * 32
        held = self.model.grants.get(grant)
        tier = self.random.choice(list(held.leases)) if held and self.random.random() < 0.97 else 0
        number = self.random.randrange(BUYERS) + self.calls // 40  # a buyer's slots are soon used up
        quota = held.leases[tier][1] if held and tier in held.leases else 1
        item = Item(grant, tier, self.random.randrange(quota + 1), self.random.randrange(3), wallet(number))
        if self.random.random() < 0.15:
            item = replace(item, slot=0, claim_key=f"{self.random.randrange(60)}")
        made = self._signed(item, KEYS[held.key] if held else NODE)
        self.sold.append(made)
        return made

    def _signed(self, item: Item, key: PrivateKey) -> tuple[Item, dict[str, Any]]:
        if self.random.random() < 0.04:
            item, key = replace(item, batch_ok=False), PrivateKey(b"\x77" * 32)
        seq = len(self.sold) + self.calls * 16
        if item.claim_key:
            own = PrivateKey((int(item.claim_key) + 1).to_bytes(32))
            (voucher,) = self.drop.keyed(item.grant, [(item.tier, item.seq, own)], seq, key)
            if self.random.random() < 0.2:
                return replace(item, to=""), voucher
            return item, self.drop.receive(voucher, own, item.to)
        (voucher,) = self.drop.vouchers(item.grant, [(item.tier, item.seq, item.to, item.slot)], key, seq)
        if self.random.random() < 0.04:
            voucher = voucher | {"proof": ["0x" + "99" * 32]}
            item = replace(item, in_batch=False)
        return item, voucher

    def _proven(self, item: Item, voucher: dict[str, Any]) -> tuple[Item, dict[str, Any]]:
        """With its checkpoint, most times; the model is told which root it names."""
        proof = voucher.get("checkpoint")
        if proof is None or self.random.random() < 0.1:
            return replace(item, root=None), {name: told for name, told in voucher.items() if name != "checkpoint"}
        return replace(item, root=bytes.fromhex(proof["root"][2:])), voucher

    @staticmethod
    def _once(items: list[tuple[Item, dict[str, Any]]]) -> list[tuple[Item, dict[str, Any]]]:
        """A batch that is sent twice in a call is proven for both when it is for one."""
        roots = {voucher["signature"]: item.root for item, voucher in items if item.root}
        return [(replace(item, root=roots.get(voucher["signature"])), voucher) for item, voucher in items]

    def _sold_by(self, grant: str) -> list[tuple[Item, dict[str, Any]]]:
        return [one for one in self.sold[-300:] if one[0].grant == grant and one[0].batch_ok]

    def _keep_proofs(self, batches: Sequence[tuple[Item, dict[str, Any]]]) -> None:
        """The first proof that a voucher got is the one that it keeps: a root is never taken out."""
        _, proven = self.drop.checkpoint(*([voucher] for _, voucher in batches))
        by_batch = {one["signature"]: one for one in proven}
        for at, (item, voucher) in enumerate(self.sold):
            if (found := by_batch.get(voucher["signature"])) and "checkpoint" not in voucher:
                self.sold[at] = (item, found)

    def _holders(self, kind: type[Any], grant: str, act: Callable[[], str], **told: Any) -> str:
        """Signed by two, or by one too few, twice, too late, or with a nonce that was used."""
        signers = self.random.choice(((0, 1), (0, 2), (1, 2), (0, 1, 2), (1,), (1, 1), (2, 0)))
        nonce = self.random.choice((self.random.randrange(2**256), self.random.randrange(2**256), 7))
        deadline = self.random.choice((FAR, FAR, FAR, self.model.now - 1))
        made = kind(grant_id=grant, nonce=str(nonce), deadline=deadline, **told)
        whole = collected.Collected(1, 31337, self.drop.contract, made)
        signed = [(n, unhex(collected.sign(whole, HOLDERS[n], self.holders).signatures[0].signature)) for n in signers]
        name, types, rest = calls._told(made)
        data = calls.call(name, ("bytes32", *types, calls.SIGNED), (unhex(grant), *rest, (nonce, deadline, signed)))
        before = set(self.model.nonces)
        wanted = self.model.authorize(signers, kind.needed, nonce, deadline) or act()
        if wanted:
            self.model.nonces = before  # the whole call is undone
        self.act(RELAYER, data, wanted)
        return wanted

    # ---- the chain

    def act(self, key: str, data: bytes, wanted: str) -> None:
        """A call that must go through, or be refused with that error."""
        if not wanted:
            if self.send(key, data)["status"] != "0x1":
                raise Differs(f"{data[:4].hex()} was refused, the model lets it pass")
            return
        self.calls += 1
        self.ask("evm_mine", [hex(self.model.now)])
        answer = self.raw("eth_call", [{**self._tx(key, data, 0)}, "latest"])
        name = ERRORS.get(bytes.fromhex(str(answer.get("error", {}).get("data", ""))[2:10]), "")
        if "error" not in answer or name != wanted:
            raise Differs(f"{data[:4].hex()}: {name or 'passed'}, the model says {wanted}")

    def send(self, key: str, data: bytes, wei: int = 0) -> dict[str, Any]:
        """The receipt; the block's time is the model's."""
        self.calls += 1
        self.ask("evm_setNextBlockTimestamp", [hex(self.model.now)])
        tx = self.ask("eth_sendTransaction", [self._tx(key, data, wei)])
        while (receipt := self.ask("eth_getTransactionReceipt", [tx])) is None:
            time.sleep(0.001)
        return dict(receipt)

    def check(self) -> None:
        """The totals; each token was compared when it moved."""
        chain, contract, model = self.drop.chain, self.drop.contract, self.model
        ether = sum(taken for tier, taken in model.takings.items() if tier != COINS)
        for name, seen, wanted in (
            ("balance", chain.balance(contract), ether),
            *((f"takings {t}", chain.takings(contract, t), model.takings.get(t, 0)) for t in range(TIER_COUNT)),
            *(
                (f"leased {t}", chain.operator_leased(contract, t), model.operator_leased.get(t, 0))
                for t in range(TIER_COUNT)
            ),
            *(
                (f"owner of {id_}", str(chain.owner_of(contract, id_)).lower(), to)
                for id_, to in list(model.minted.items())[-5:]
            ),
        ):  # fmt: skip
            if seen != wanted:
                raise Differs(f"{name} is {seen}, the model says {wanted}")
        for name, grant in list(model.grants.items())[-5:]:
            if chain.status(contract, name) is not Status(grant.status):
                raise Differs(f"grant {name} is {chain.status(contract, name)!r}, the model says {grant.status!r}")

    def _tx(self, key: str, data: bytes, wei: int, to: str = "") -> dict[str, str]:
        told = {"from": account(key), "to": to or self.drop.contract, "data": "0x" + data.hex()}
        return told | {"value": hex(wei), "gas": GAS}

    def ask(self, method: str, told: list[Any]) -> Any:
        """What the node answers."""
        answer = self.raw(method, told)
        if "error" in answer:
            raise Differs(f"{method}: {answer['error']}")
        return answer["result"]

    def raw(self, method: str, told: list[Any]) -> dict[str, Any]:
        """Its whole answer."""
        body = msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "method": method, "params": told})
        url, kind = self.drop.chain._rpc.url, {"Content-Type": "application/json"}
        answer = self.session.post(url, body, headers=kind, timeout=60)
        return dict(msgspec.json.decode(answer.content))

    def _coins(self, *buyers: str) -> None:
        for who in buyers:
            mint = calls.call("mint", ("address", "uint256"), (who, COINS_EACH * PRICE))
            allow = calls.call("approve", ("address", "uint256"), (self.drop.contract, COINS_EACH * PRICE))
            for data in (mint, allow):
                self.ask(
                    "eth_sendTransaction",
                    [{"from": who, "to": COIN, "data": "0x" + data.hex(), "value": "0x0", "gas": GAS}],
                )
