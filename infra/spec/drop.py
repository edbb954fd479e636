"""A drop file's shape. What one value can tell is checked in `fields`, what several tell together in `check`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StrictInt

from infra.spec.fields import (
    MOST_NODES,
    Address,
    Assets,
    BoxRef,
    CloudPercent,
    CoinSymbol,
    Count,
    Decimals,
    Frozen,
    Gwei,
    Hours,
    Minutes,
    Name,
    Percent,
    ReleaseName,
    Sku,
    Supply,
    Symbol,
    Time,
    Title,
    Units,
)
from infra.spec.site import BoxSpec, SiteSpec

DEV_CHAIN = 31337  # anvil's, where whoever stands up a drop may hold all its keys
WALLET_CAP_BITS = 224  # of a holder's slot on chain: the caps of all tiers share them (PROTOCOL: the nullifier)
BORROWERS = 7  # each has two addresses in the lender's network

Kind = Literal["appliance", "spare"]


class WindowSpec(Frozen):
    """When people may claim, and until when a voucher redeems; Unix seconds once read."""

    opens_at: Time
    closes_at: Time
    redeem_by: Time


class SplitSpec(Frozen):
    """Who is paid what share of a tier."""

    address: Address
    share_percent: Annotated[Percent, Field(ge=1)]


class CurrencySpec(Frozen):
    """An ERC-20 on the drop's chain, with how its amounts are told to people."""

    address: Address
    symbol: CoinSymbol
    decimals: Decimals


class TierSpec(Frozen):
    """One kind of thing; `assets` is a pattern beside the drop file, one file a token, in the order of their names.

    Its price is `price_gwei` of the chain's coin, or with a `currency` `price_units` of that one's smallest unit.
    """

    name: Name
    title: Title
    assets: Assets
    supply: Supply
    price_gwei: Gwei | None = None
    price_units: Units | None = None
    currency: CurrencySpec | None = None
    wallet_cap: Annotated[StrictInt, Field(ge=1, le=WALLET_CAP_BITS)]
    sku: Sku | None = None
    splits: Annotated[tuple[SplitSpec, ...], Field(min_length=1)]


class HolderSpec(Frozen):
    """One of the three who freeze and revoke; its kind is fixed when the contract is deployed."""

    address: Address
    kind: Literal["ecdsa", "erc1271"] = "ecdsa"


class RoyaltySpec(Frozen):
    """Who is paid what share of later sales (ERC-2981)."""

    address: Address
    share_percent: Annotated[Percent, Field(ge=1, le=50)]


class LeasesSpec(Frozen):
    """How a tier's supply is shared out; `cloud_percent` of each node's share the hub signs when its HSM is out."""

    fallback_percent: Annotated[Percent, Field(le=50)] = 5
    spare_percent: Percent = 40
    cloud_percent: CloudPercent = 5


class SparesSpec(Frozen):
    """Up to `min` are the drop's own; those above come and go by the hub's word (docs/decisions/0019)."""

    min: Count
    max: Count


class AutoscaleSpec(Frozen):
    """When a geography's spares above `min` come and go. One of them up for an hour costs a spare-hour."""

    budget_spare_hours: Hours
    ahead_minutes: Minutes = 15  # so long before the window opens they come up
    busy_percent: Annotated[Percent, Field(ge=1)] = 60  # of the hands that nodes in service have: one more
    idle_percent: Percent = 20  # one less, once the cool-down is over
    cool_down_minutes: Annotated[Minutes, Field(gt=0)] = 10  # no change is taken back sooner


def _spares(value: Any) -> Any:
    """A bare count means that many, always."""
    if isinstance(value, dict | SparesSpec):
        return value
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_NODES:
        raise ValueError(f"is a count from 0 to {MOST_NODES}, or {{min: .., max: ..}}")
    return SparesSpec(min=value, max=value)


class GeographySpec(Frozen):
    """One place; with `target: ssh` each of its nodes is a box of a site: `boxes` by the node's name."""

    name: Name
    title: Title
    target: Literal["docker", "ssh"] = "docker"
    boxes: Annotated[dict[str, BoxRef], Field(default_factory=dict)]
    share_percent: Percent
    appliances: Count
    spares: Annotated[SparesSpec, BeforeValidator(_spares)]
    fronts: Annotated[StrictInt, Field(ge=1, le=2)] = 1  # two: one takes over from the other
    autoscale: AutoscaleSpec | None = None
    lends_spares_to: Annotated[tuple[Name, ...], Field(max_length=BORROWERS)] = ()  # geographies
    epoch: Annotated[StrictInt, Field(ge=1, le=10_000)] = 1

    @property
    def nodes(self) -> tuple[tuple[Kind, str], ...]:
        """Kind and name of each, appliances first; those that the drop's own stack holds."""
        counts: tuple[tuple[Kind, int], ...] = (("appliance", self.appliances), ("spare", self.spares.min))
        return tuple((kind, f"{self.name}-{kind}{n + 1}") for kind, count in counts for n in range(count))

    @property
    def elastic(self) -> tuple[str, ...]:
        """Names of the spares above `min`."""
        return tuple(f"{self.name}-spare{n + 1}" for n in range(self.spares.min, self.spares.max))


class DropSpec(Frozen):
    """A whole drop file; `assets` and `sites` are what it names, read along with it."""

    name: Name
    title: Title
    symbol: Symbol
    chain_id: Annotated[StrictInt, Field(ge=1)]
    window: WindowSpec
    skus: Annotated[dict[Sku, Title], Field(default_factory=dict)]
    tiers: Annotated[tuple[TierSpec, ...], Field(min_length=1, max_length=32)]
    holders: tuple[HolderSpec, ...] = ()
    royalty: RoyaltySpec | None = None
    release: ReleaseName | None = None  # what its nodes run; the lab's current one where none is named
    leases: LeasesSpec = LeasesSpec()
    geographies: Annotated[tuple[GeographySpec, ...], Field(min_length=1, max_length=250)]


class DropFile(Frozen):
    """The drop file with the files it names: asset paths by tier, in token order; sites by name."""

    spec: DropSpec
    assets: dict[str, tuple[str, ...]]
    sites: dict[str, SiteSpec]

    def box(self, ref: str) -> BoxSpec:
        """The box of `<site>/<box>`; the file was checked: it is there."""
        site, _, name = ref.partition("/")
        return next(box for box in self.sites[site].boxes if box.name == name)
