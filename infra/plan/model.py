"""What a drop will be, as plain frozen data: nodes, addresses, leases. Made by `plan`, read by everything after it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from infra.plan.fronts import Borrower, Front, Leg, Lent
from node_image.front.config import CLAIMS_AT_ONCE
from node_image.protocol.acts import Holder
from node_image.protocol.amounts import amount

ZERO_ADDRESS = "0x" + "00" * 20

NodeKind = Literal["appliance", "spare"]
Target = Literal["docker", "ssh"]


@dataclass(frozen=True, slots=True)
class Lease:
    """What a grant may sign in one tier: tokens `start .. start + quota - 1`, times in Unix seconds."""

    tier: int
    start: int
    quota: int
    not_before: int
    redeem_by: int


@dataclass(frozen=True, slots=True)
class Epoch:
    """A later grant of a node: what `edgedrop rotate` or `edgedrop fallback open` opens after its first."""

    epoch: int
    grant_id: str
    leases: tuple[Lease, ...]


@dataclass(frozen=True, slots=True)
class Node:
    """An appliance or a spare, with its first grant and those that were opened later."""

    name: str  # quay-appliance1
    geo: str
    kind: NodeKind
    target: Target  # docker: a box that we make; ssh: a real one that we adopt
    address: str  # where the control side and the front reach it
    ssh_port: int
    ssh_user: str
    host_key: str | None  # for target ssh from inventory/sites; for target docker learnt by Docker exec
    epoch: int
    grant_id: str  # 0x, 32 bytes
    leases: tuple[Lease, ...]
    later: tuple[Epoch, ...] = ()  # oldest first
    awaited: tuple[Epoch, ...] = ()  # without leases: it makes their keys, which two holders have yet to sign for
    claims_at_once: int = CLAIMS_AT_ONCE  # what its front gives it at a time
    elastic: bool = False  # a spare above `min`: up only while the hub says so
    kept: tuple[Lease, ...] = ()  # for an elastic spare: in nobody's lease until it comes up

    def each(self) -> tuple[Node, ...]:
        """The node in each of its epochs by itself, oldest first; not in one that is awaited."""
        alone = replace(self, later=(), awaited=())
        others = (replace(alone, epoch=one.epoch, grant_id=one.grant_id, leases=one.leases) for one in self.later)
        return (alone, *others)


@dataclass(frozen=True, slots=True)
class CloudGrant:
    """What the hub's cloud signer may sign for a node whose HSM is out: a grant of its own, as if of another node."""

    node: str  # quay-appliance1
    name: str  # quay-appliance1-cloud
    geo: str
    epoch: int
    grant_id: str
    leases: tuple[Lease, ...]  # at least one

    def each(self) -> tuple[CloudGrant, ...]:
        """As a node's: a rotation of the node leaves it as it is."""
        return (self,)


@dataclass(frozen=True, slots=True)
class Scale:
    """Within what a geography's spares come and go; times in seconds, the budget in spare-seconds."""

    least: int
    most: int
    budget_s: float
    ahead_s: float
    cool_down_s: float
    busy_percent: int  # of the hands that nodes in service have
    idle_percent: int


@dataclass(frozen=True, slots=True)
class Geography:
    """One place: its network, its front, its nodes."""

    name: str
    title: str
    subnet: str  # 10.<slot>.<i>.0/24
    front_address: str  # the buyers'
    nodes: tuple[Node, ...]  # appliances first
    cloud: tuple[CloudGrant, ...] = ()  # of those nodes whose share is large enough
    witness_address: str = ""  # of the one beside the front
    pair: tuple[str, ...] = ()  # of two fronts their own addresses; either may have the buyers'
    elastic: tuple[Node, ...] = ()
    scale: Scale | None = None  # where there are any
    lent: tuple[Lent, ...] = ()  # what others lend it
    legs: tuple[Leg, ...] = ()  # where its fronts reach those by
    borrowers: tuple[Borrower, ...] = ()  # whom its own spares are lent to

    @property
    def at_front(self) -> tuple[Node, ...]:
        """All of its own that its front knows: one that is not there is down."""
        return (*self.nodes, *self.elastic)

    @property
    def stood(self) -> tuple[Node, ...]:
        """The elastic spares that were ever given a lease, each with an epoch for each time that it came up."""
        return tuple(node for node in self.elastic if node.leases)

    @property
    def front_url(self) -> str:
        """The claim page's address."""
        return f"http://{self.front_address}:8080"

    @property
    def fronts(self) -> tuple[Front, ...]:
        """Each, the first one's name being the same whether it is alone or not."""
        names = (f"{self.name}-front", f"{self.name}-front2")
        return tuple(map(Front, names, self.pair or (self.front_address,)))

    @property
    def holders(self) -> tuple[Node | CloudGrant, ...]:
        """Whoever holds leases there: a node once, whatever its epochs."""
        return (*self.nodes, *self.cloud, *self.stood)


@dataclass(frozen=True, slots=True)
class Split:
    """Who gets what share of a tier's takings."""

    address: str
    share_bps: int  # of 10,000


@dataclass(frozen=True, slots=True)
class Currency:
    """An ERC-20, and how its amounts are told to people."""

    address: str
    symbol: str
    decimals: int


@dataclass(frozen=True, slots=True)
class Tier:
    """Its ids are `first_token .. first_token + supply - 1`; the last `fallback` of them are leased to nobody yet."""

    tier: int  # index in the drop file
    name: str
    title: str
    supply: int
    fallback: int
    first_token: int
    price_wei: int  # in the smallest unit of its currency
    wallet_cap: int
    slot_base: int  # its first bit among the holder's 224
    sku: str | None
    splits: tuple[Split, ...]
    max_lease: int = 0  # what the operator alone may put into one lease
    currency: str = ZERO_ADDRESS  # an ERC-20 (DropPlan.currencies says what it is called), or zero for ether

    @property
    def operator_cap(self) -> int:
        """What the operator alone may have in leases at a time: all but the fallback reserve."""
        return self.supply - self.fallback


@dataclass(frozen=True, slots=True)
class Accounts:
    """The control side's own accounts; its holders stand in where a development drop names none."""

    owner: str
    operator: str
    hub: str
    holders: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Roles:
    """Who may do what on the contract, for ever."""

    owner: str
    operator: str
    hub: str
    holders: tuple[Holder, ...]  # three, ascending
    royalty_to: str
    royalty_bps: int


@dataclass(frozen=True, slots=True)
class ContractPlan:
    """Everything the constructor is told; `address` follows from it (CREATE2)."""

    name: str
    symbol: str
    chain_id: int
    salt: str
    address: str
    init_code_hash: str
    roles: Roles
    manifest_digest: str


@dataclass(frozen=True, slots=True)
class HubAddresses:
    """Fixed places in the lab's hub network (docs/architecture.md)."""

    slot: int
    subnet: str
    dynamic_range: str
    registry: str
    registry_push: str  # 127.0.0.1:<port>
    bus: str
    ledger_db: str
    chain: str
    ledger: str
    relayer: str
    cloud_signer: str
    anchorer: str

    @property
    def chain_url(self) -> str:
        """The chain node's JSON-RPC."""
        return f"http://{self.chain}:8545"

    @property
    def ledger_url(self) -> str:
        """The ledger's HTTP face."""
        return f"http://{self.ledger}:8080"

    @property
    def cloud_signer_place(self) -> str:
        """Where the cloud signer takes questions, over mutual TLS."""
        return f"{self.cloud_signer}:8443"


@dataclass(frozen=True, slots=True)
class DropPlan:
    """A whole drop as it will be; times in Unix seconds."""

    drop: str  # the drop file's name: in grant ids, subjects, facts
    stack: str  # the Pulumi stack's name: in container names and labels
    title: str
    slot: int
    opens_at: int
    closes_at: int
    redeem_by: int
    tiers: tuple[Tier, ...]
    geographies: tuple[Geography, ...]
    contract: ContractPlan
    currencies: tuple[Currency, ...] = ()  # the contract is told no more of them than their address
    release: str | None = None  # that the drop file names

    def currency(self, tier: Tier) -> Currency | None:
        """What the tier is paid in; None for the chain's coin."""
        return next((one for one in self.currencies if one.address == tier.currency), None)

    def amount(self, tier: Tier, units: int) -> str:
        """So many of the smallest unit of what the tier is paid in, in words."""
        paid_in = self.currency(tier)
        return amount(units, paid_in.symbol, paid_in.decimals) if paid_in else amount(units)

    @property
    def nodes(self) -> tuple[Node, ...]:
        """All nodes, geography by geography."""
        return tuple(node for geo in self.geographies for node in geo.nodes)

    @property
    def stood(self) -> tuple[Node, ...]:
        """The elastic spares that were ever given a lease."""
        return tuple(node for geo in self.geographies for node in geo.stood)

    @property
    def cloud(self) -> tuple[CloudGrant, ...]:
        """All grants of the hub's cloud signer."""
        return tuple(grant for geo in self.geographies for grant in geo.cloud)

    @property
    def grants(self) -> tuple[Node | CloudGrant, ...]:
        """Whoever holds leases: all nodes, each in each of its epochs, and the cloud signer for them."""
        return (*(one for node in (*self.nodes, *self.stood) for one in node.each()), *self.cloud)
