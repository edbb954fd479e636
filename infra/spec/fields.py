"""The kinds of value that a drop file is made of, each with the sentence a person reads when it is wrong."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlsplit

from eth_utils.address import is_checksum_address, to_checksum_address
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictInt, StringConstraints

MOST_NODES = 200  # of a kind in one geography: their addresses are in one /24


class Frozen(BaseModel):
    """Unknown keys are faults: a misspelt key must never mean a default."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _checksummed(address: str) -> str:
    if not address.startswith("0x") or len(address) != 42:  # noqa: PLR2004
        raise ValueError("an address is 0x and 40 hex digits")
    if not is_checksum_address(address):
        try:
            right = to_checksum_address(address)
        except ValueError as fault:
            raise ValueError("an address is 0x and 40 hex digits") from fault
        raise ValueError(f"its checksum (EIP-55) is wrong: {right} if the digits are right")
    return address


def _unix(value: Any) -> Any:
    """ISO 8601 with a zone, as text or as YAML's own timestamp, to Unix seconds."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError as fault:
            raise ValueError("a time is ISO 8601 with a zone, such as 2026-11-24T18:00:00Z") from fault
    if not isinstance(value, datetime):
        raise ValueError("a time is ISO 8601 with a zone, such as 2026-11-24T18:00:00Z")  # noqa: TRY004  pydantic's way
    if value.tzinfo is None:
        raise ValueError("the time has no zone: end it with Z or +01:00")
    try:
        return int(value.astimezone(UTC).timestamp())
    except OverflowError as fault:
        raise ValueError("the year is out of range") from fault


def _at_most_half(percent: int) -> int:
    if not 0 <= percent <= 50:  # noqa: PLR2004
        raise ValueError("is 0 to 50: a node keeps at least half of its lease for its own HSM")
    return percent


def _a_price(units: int) -> int:
    if not 1 <= units < 2**88:
        raise ValueError("is 1 or more, and fits the contract's 88 bits; a free tier has no currency")
    return units


def _spelt(pattern: str, words: str) -> AfterValidator:
    """A text of a fixed spelling, told in words: a pattern is no help to who got it wrong."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(words)
        return text

    return AfterValidator(check)


def _beside(pattern: str) -> str:
    if not pattern or not pattern.isprintable() or pattern.startswith("/") or ".." in pattern.split("/"):
        raise ValueError("is a pattern of files beside the drop file, such as prints/*.png: no leading /, no ..")
    return pattern


def _url(text: str) -> str:
    place = urlsplit(text)
    if place.scheme not in ("http", "https") or not place.hostname or not text.isprintable():
        raise ValueError("a URL is http:// or https:// and a host")
    if "@" in place.netloc:
        raise ValueError("a URL here must hold no password: this file is no place for secrets")
    return text


Name = Annotated[
    str,
    _spelt(r"[a-z][a-z0-9-]{0,30}", "a name is small letters, digits and hyphens, begins with a letter, at most 31"),
]
Title = Annotated[str, StringConstraints(min_length=1, max_length=80)]
Symbol = Annotated[str, _spelt(r"[A-Z0-9]{2,11}", "a symbol is 2 to 11 capitals and digits")]
CoinSymbol = Annotated[str, _spelt(r"[A-Za-z0-9.]{1,11}", "a currency's symbol is 1 to 11 letters, digits and dots")]
Sku = Annotated[str, _spelt(r"[A-Z0-9][A-Z0-9-]{1,31}", "a SKU is 2 to 32 capitals, digits and hyphens")]
ReleaseName = Annotated[str, _spelt(r"[0-9a-f]{64}", "a release is named by 64 hex digits")]
HostKey = Annotated[
    str,
    _spelt(
        r"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI[A-Za-z0-9+/]{43}",
        "a host key is `ssh-ed25519 AAAA...`, as ssh-keyscan prints it",
    ),
]
Assets = Annotated[str, AfterValidator(_beside)]
Beside = Annotated[
    str, _spelt(r"[A-Za-z0-9][A-Za-z0-9._-]*", "names a file beside this one, such as tsa-ca.pem: no folders")
]
Url = Annotated[str, AfterValidator(_url)]
BoxRef = Annotated[
    str, _spelt(r"[a-z][a-z0-9-]{0,30}/[a-z][a-z0-9-]{0,30}", "a box is <site>/<box>, such as old-quay/rack1-1")
]
KeyFile = Annotated[
    str, _spelt(r"[A-Za-z0-9][A-Za-z0-9._-]*", "names a file of EDGEDROP_HOME/keys, such as bmc.rack1-1: no folders")
]
Reach = Annotated[
    str,
    _spelt(
        r"tel:\+[0-9][0-9 -]{5,20}|mailto:[^@\s]+@[^@\s]+\.[^@\s]+",
        "is tel:+<country><number> or mailto:<who>@<where>, so that a click or a tap calls",
    ),
]
Address = Annotated[str, AfterValidator(_checksummed)]
Time = Annotated[int, BeforeValidator(_unix)]
CloudPercent = Annotated[StrictInt, AfterValidator(_at_most_half)]
Percent = Annotated[StrictInt, Field(ge=0, le=100)]
Count = Annotated[StrictInt, Field(ge=0, le=MOST_NODES)]
Hours = Annotated[float, Field(strict=True, gt=0, le=100_000)]
Minutes = Annotated[float, Field(strict=True, ge=0, le=1440)]
Supply = Annotated[StrictInt, Field(ge=1, le=1_000_000)]
Gwei = Annotated[StrictInt, Field(ge=0, le=10**15)]
Units = Annotated[StrictInt, AfterValidator(_a_price)]
Decimals = Annotated[StrictInt, Field(ge=0, le=36)]
Port = Annotated[StrictInt, Field(ge=1, le=65535)]
Watts = Annotated[StrictInt, Field(ge=1, le=10_000)]
Celsius = Annotated[StrictInt, Field(ge=30, le=125)]
Megabits = Annotated[StrictInt, Field(ge=1, le=100_000)]
