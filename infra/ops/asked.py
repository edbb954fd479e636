"""The options that every act of the holders has, told once: a command adds its own words in front of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, wraps
from typing import Any

from infra.ops.acting import AsJson, Contract, Drop, Hours, Keys, Out, Pay, Rpc, Ways, Yes
from infra.ops.place import Place, find_place


@dataclass(frozen=True)
class Asked:
    """What these options say; the chain is looked up when a command first needs it, after its own words were read."""

    drop: str | None
    rpc: str | None
    contract: str | None
    hours: float
    ways: Ways

    @cached_property
    def place(self) -> Place:
        """The drop, its contract and its chain."""
        return find_place(self.drop, self.rpc, self.contract)


def _asked(
    drop: Drop = None,
    key: Keys = None,
    pay: Pay = None,
    out: Out = None,
    hours: Hours = 72,
    rpc: Rpc = None,
    contract: Contract = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> Asked:
    return Asked(drop, rpc, contract, hours, Ways(tuple(key or ()), pay, out, yes, as_json))


def holders_command(work: Callable[..., None]) -> Callable[..., None]:
    """The command of `work`, whose first parameter is `Asked`: typer sees its other parameters, then ours."""
    ours = inspect.signature(_asked, eval_str=True).parameters
    own = list(inspect.signature(work, eval_str=True).parameters.values())[1:]

    @wraps(work)
    def command(**told: Any) -> None:
        asked = _asked(**{name: told.pop(name) for name in ours})
        work(asked, **told)

    parameters = [*own, *ours.values()]
    # `wraps` gave it the signature of `work`: typer would ask the command line for `Asked`.
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {one.name: one.annotation for one in parameters}
    return command
