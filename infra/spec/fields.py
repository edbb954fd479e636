"""The kinds of value that a drop file is made of, each with the sentence a person reads when it is wrong."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from eth_utils.address import is_checksum_address, to_checksum_address
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictInt, StringConstraints


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
    return int(value.astimezone(UTC).timestamp())


Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,30}$")]
Title = Annotated[str, StringConstraints(min_length=1, max_length=80)]
Symbol = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{2,11}$")]
Sku = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9][A-Z0-9-]{1,31}$")]
Address = Annotated[str, AfterValidator(_checksummed)]
Time = Annotated[int, BeforeValidator(_unix)]
Percent = Annotated[StrictInt, Field(ge=0, le=100)]
Count = Annotated[StrictInt, Field(ge=0, le=200)]
Supply = Annotated[StrictInt, Field(ge=1, le=1_000_000)]
Gwei = Annotated[StrictInt, Field(ge=0, le=10**15)]
Port = Annotated[StrictInt, Field(ge=1, le=65535)]
