"""What several values of a drop file tell together. Pure but for asking whether an asset is there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from infra.spec.drop import DEV_CHAIN, WALLET_CAP_BITS, CurrencySpec, DropSpec, GeographySpec, TierSpec
from infra.spec.site import SiteSpec
from node_image.protocol.acts import HOLDERS

Found = tuple[tuple[str | int, ...], str]
WHOLE = 100
MAX_ASSET_BYTES = 20_000_000
LENDERS_NODES = 230  # after them come the addresses of those fronts that it lends to (infra/plan/lending.py)


def check_drop(
    spec: DropSpec, assets: dict[str, tuple[str, ...]], sites: dict[str, SiteSpec], folder: Path
) -> list[Found]:
    """Every contradiction in the file, in the order of the file."""
    return [
        *_window(spec),
        *_names(("tiers",), [tier.name for tier in spec.tiers]),
        *(
            fault
            for index, tier in enumerate(spec.tiers)
            for fault in _tier(spec, tier, index, assets[tier.name], folder)
        ),
        *_shared_assets(spec, assets),
        *_currencies(spec),
        *_caps(spec),
        *_holders(spec),
        *_names(("geographies",), [geo.name for geo in spec.geographies]),
        *_shares(spec),
        *(fault for index, geo in enumerate(spec.geographies) for fault in _geography(geo, index, sites)),
        *_boxes_once(spec),
        *_lending(spec),
    ]


def _window(spec: DropSpec) -> Iterator[Found]:
    window = spec.window
    if window.closes_at <= window.opens_at:
        yield ("window", "closes_at"), "is not after opens_at"
    if window.redeem_by <= window.closes_at:
        yield ("window", "redeem_by"), "is not after closes_at: a voucher of the last minute could not be redeemed"


def _names(place: tuple[str, ...], names: Sequence[str]) -> Iterator[Found]:
    for index, name in enumerate(names):
        if name in names[:index]:
            yield (*place, index, "name"), f"{name} stands twice; each name is used once"


def _tier(spec: DropSpec, tier: TierSpec, index: int, assets: tuple[str, ...], folder: Path) -> Iterator[Found]:
    place = ("tiers", index)
    if not assets:
        yield (*place, "assets"), f"no file beside the drop file matches {tier.assets}"
    elif len(assets) != tier.supply:
        yield (*place, "supply"), f"is {tier.supply}, but {tier.assets} matches {len(assets)} files; each token has one"
    for asset in assets:
        size = (folder / asset).stat().st_size
        if not 0 < size <= MAX_ASSET_BYTES:
            yield (*place, "assets"), f"{asset} has {size} bytes; 1 to {MAX_ASSET_BYTES} are right"
    if tier.sku is not None and tier.sku not in spec.skus:
        yield (*place, "sku"), f"{tier.sku} is not among skus ({', '.join(spec.skus) or 'there are none'})"
    yield from (((*place, *at), says) for at, says in _price(tier))
    total = sum(split.share_percent for split in tier.splits)
    if total != WHOLE:
        yield (*place, "splits"), f"add up to {total} percent, not {WHOLE}"
    payees = [split.address for split in tier.splits]
    for at, payee in enumerate(payees):
        if payee in payees[:at]:
            yield (*place, "splits", at, "address"), "is paid twice in this tier; add the shares up"


def _price(tier: TierSpec) -> Iterator[Found]:
    """One price, in the unit that goes with what it is paid in."""
    unit, other = ("price_units", tier.price_gwei) if tier.currency else ("price_gwei", tier.price_units)
    if getattr(tier, unit) is None:
        yield (unit,), "is missing" + (": with a currency, the price in its smallest unit" if tier.currency else "")
    if other is not None and tier.currency:
        yield ("price_gwei",), "is of the chain's coin; with a currency the price is price_units"
    elif other is not None:
        yield ("price_units",), "goes with a currency; of the chain's coin the price is price_gwei"
    if tier.currency and int(tier.currency.address, 16) == 0:
        yield ("currency", "address"), "is the zero address, where no ERC-20 is"


def _currencies(spec: DropSpec) -> Iterator[Found]:
    """A buyer who reads an amount must know which ERC-20 it is of."""
    told: list[CurrencySpec] = []
    for index, tier in enumerate(spec.tiers):
        if tier.currency is None:
            continue
        place = ("tiers", index, "currency")
        if any(one.address == tier.currency.address and one != tier.currency for one in told):
            yield place, "is told another way in a tier before it: an ERC-20 has one symbol and one number of decimals"
        elif any(one.symbol == tier.currency.symbol and one != tier.currency for one in told):
            yield (*place, "symbol"), "is another ERC-20's in a tier before it: nobody could tell them apart"
        told.append(tier.currency)


def _shared_assets(spec: DropSpec, assets: dict[str, tuple[str, ...]]) -> Iterator[Found]:
    seen: dict[str, str] = {}
    for index, tier in enumerate(spec.tiers):
        twice = sorted({seen[asset] for asset in assets[tier.name] if asset in seen and seen[asset] != tier.name})
        if twice:
            yield ("tiers", index, "assets"), f"shares files with tier {', '.join(twice)}: the same token twice"
        seen |= dict.fromkeys(assets[tier.name], tier.name)


def _caps(spec: DropSpec) -> Iterator[Found]:
    total = sum(tier.wallet_cap for tier in spec.tiers)
    if total > WALLET_CAP_BITS:
        yield ("tiers",), f"their wallet caps add up to {total}; a holder's slot on chain has {WALLET_CAP_BITS} bits"


def _holders(spec: DropSpec) -> Iterator[Found]:
    count = len(spec.holders)
    if count == 0 and spec.chain_id != DEV_CHAIN:
        yield ("holders",), f"are missing: only on the development chain {DEV_CHAIN} are they made for you"
    elif count not in (0, HOLDERS):
        yield ("holders",), f"are {count}; a drop has {HOLDERS}"
    addresses = [holder.address for holder in spec.holders]
    for at, address in enumerate(addresses):
        if int(address, 16) == 0:
            yield ("holders", at, "address"), "is the zero address, which nobody holds"
        elif address in addresses[:at]:
            yield ("holders", at, "address"), "stands twice; the holders are three different ones"
    if spec.royalty and int(spec.royalty.address, 16) == 0:
        yield ("royalty", "address"), "is the zero address, which nobody holds"


def _shares(spec: DropSpec) -> Iterator[Found]:
    total = sum(geo.share_percent for geo in spec.geographies)
    if total != WHOLE:
        yield ("geographies",), f"their share_percent add up to {total}, not {WHOLE}"


def _geography(geo: GeographySpec, index: int, sites: dict[str, SiteSpec]) -> Iterator[Found]:
    place = ("geographies", index)
    if geo.appliances + geo.spares.min == 0:
        yield (*place, "appliances"), "is 0 and so is spares: nobody could claim there"
    yield from (((*place, *at), says) for at, says in _autoscale(geo))
    if geo.target == "docker":
        if geo.boxes:
            yield (*place, "boxes"), "go with target: ssh; target: docker makes its own boxes"
        return
    names = [*(name for _, name in geo.nodes), *geo.elastic]
    missing = [name for name in names if name not in geo.boxes]
    if missing:
        yield (
            (*place, "boxes") if geo.boxes else place,
            f"target: ssh needs boxes: <site>/<box> of {', '.join(missing)} is not said",
        )
    for node, ref in geo.boxes.items():
        if node not in names:
            yield (*place, "boxes", node), f"is no node of {geo.name}; its nodes are {', '.join(names)}"
        elif says := _no_box(ref, sites):
            yield (*place, "boxes", node), says


def _autoscale(geo: GeographySpec) -> Iterator[Found]:
    """A range of spares and what rules it belong together."""
    spares, rules = geo.spares, geo.autoscale
    if spares.max < spares.min:
        yield ("spares", "max"), f"is {spares.max}, less than min, which is {spares.min}"
    elif spares.max > spares.min and rules is None:
        yield ("spares", "max"), "is above min: autoscale: must say what those above may cost (budget_spare_hours)"
    elif spares.max == spares.min and rules is not None:
        yield ("autoscale",), "rules the spares above min, and there are none: spares: {min: .., max: ..}"
    if rules is not None and rules.idle_percent >= rules.busy_percent:
        yield (
            ("autoscale", "idle_percent"),
            "is not below busy_percent: spares would come and go",
        )


def _lending(spec: DropSpec) -> Iterator[Found]:
    names = [geo.name for geo in spec.geographies]
    for index, geo in enumerate(spec.geographies):
        place = ("geographies", index, "lends_spares_to")
        if geo.lends_spares_to and not geo.spares.min:
            yield place, "is said, and spares is 0: there is nothing to lend"
        if geo.lends_spares_to and len(geo.nodes) + len(geo.elastic) > LENDERS_NODES:
            yield place, f"leaves no address for their fronts: with {LENDERS_NODES} nodes and more nobody lends"
        for at, other in enumerate(geo.lends_spares_to):
            if other == geo.name:
                yield (*place, at), "is itself; a geography's own spares are its own anyway"
            elif other not in names:
                yield (*place, at), f"{other} is no geography; there are {', '.join(names)}"
            elif other in geo.lends_spares_to[:at]:
                yield (*place, at), f"{other} stands twice"


def _no_box(ref: str, sites: dict[str, SiteSpec]) -> str:
    """Why there is no such box, empty where there is."""
    site, _, name = ref.partition("/")
    if site not in sites:
        return f"there is no inventory/sites/{site}.yaml"
    there = [box.name for box in sites[site].boxes]
    return "" if name in there else f"site {site} has no box {name}; its boxes are {', '.join(there)}"


def _boxes_once(spec: DropSpec) -> Iterator[Found]:
    """Two nodes in one box would share its journal's disk, its address and its fate."""
    taken: dict[str, str] = {}
    for index, geo in enumerate(spec.geographies):
        for node, ref in geo.boxes.items():
            if ref in taken:
                yield ("geographies", index, "boxes", node), f"{ref} is {taken[ref]}'s already"
            taken.setdefault(ref, node)
