"""Fronts of a geography, and what it is lent by others, as plain frozen data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Front:
    """One HAProxy before a geography's nodes."""

    name: str  # quay-front, quay-front2
    address: str  # where it is told from every other


@dataclass(frozen=True, slots=True)
class Lent:
    """Another geography's spare, as the borrower's front has it; its lease and its journal stay the lender's."""

    name: str  # mole-spare1
    geo: str  # the lender
    address: str
    at_once: int  # claims that the borrower gives it at a time


@dataclass(frozen=True, slots=True)
class Leg:
    """Where a geography's fronts stand in the network of one that lends to it, in the order of the fronts."""

    geo: str
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Borrower:
    """A geography whose fronts may send claims to another one's spares."""

    geo: str
    fronts: tuple[Front, ...]
