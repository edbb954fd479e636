"""A drop file's shape. What one value can tell is checked in `fields`, what several tell together in `check`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictInt

from infra.spec.fields import (
    Address,
    Assets,
    BoxRef,
    CloudPercent,
    CoinSymbol,
    Count,
    Decimals,
    Frozen,
    Gwei,
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


class GeographySpec(Frozen):
    """One place; with `target: ssh` each of its nodes is a box of a site: `boxes` by the node's name."""

    name: Name
    title: Title
    target: Literal["docker", "ssh"] = "docker"
    boxes: Annotated[dict[str, BoxRef], Field(default_factory=dict)]
    share_percent: Percent
    appliances: Count
    spares: Count
    fronts: Annotated[StrictInt, Field(ge=1, le=2)] = 1  # two: one takes over from the other
    epoch: Annotated[StrictInt, Field(ge=1, le=10_000)] = 1

    @property
    def nodes(self) -> tuple[tuple[Kind, str], ...]:
        """Kind and name of each, appliances first."""
        counts: tuple[tuple[Kind, int], ...] = (("appliance", self.appliances), ("spare", self.spares))
        return tuple((kind, f"{self.name}-{kind}{n + 1}") for kind, count in counts for n in range(count))


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
