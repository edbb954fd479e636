"""What `edgedrop drain` and `edgedrop cordon` share: one node, set aside or given claims again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from infra.errors import BadUsage
from infra.ops import diverting
from infra.ops.diverting import Wanted, Where
from node_image.front.runtime import Served

Act = Literal["drain", "cordon"]

FINISHES = "it finishes the claims it has in hand, and finds those it answered"
WORDS: dict[Act, str] = {
    "drain": "gets no claims at all, not even where no other node is left",
    "cordon": "gets no claims while another node of its geography is in service",
}


def set_aside(
    act: Act, name: str, why: str, drop: str | None, *, end: bool, last: bool, yes: bool, as_json: bool
) -> None:
    """From words to proof, or back."""
    where = diverting.of_node(drop, name)
    states = diverting.seen(where)
    wanted = ended(where, act, name, why) if end else begun(where, states, act, name, why, last=last)
    diverting.carry_out(where, states, wanted, yes=yes, as_json=as_json)


def begun(where: Where, states: Mapping[str, Served], act: Act, name: str, why: str, *, last: bool) -> Wanted:
    """Who takes its claims is said; that nobody does is refused, unless that is meant (`last`)."""
    others = [other for other, one in states.items() if one.state == "UP" and other != name]
    if not others and not last:
        raise BadUsage(
            f"no other node of {where.geo.name} is in service: nobody would answer its buyers",
            f"edgedrop cordon {name} leaves it as the last resort; --last means it all the same",
        )
    taken = f"its claims go to {', '.join(others)}" if others else "no other node is in service"
    return Wanted(
        act,
        f"{act} {name}",
        (f"{name} {WORDS[act]}; {taken}", FINISHES),
        {name: act},
        put={name: diverting.diversion(act, act, why)},
        silent=(name,) if others or act == "drain" else (),
        everywhere=True,
        why=why,
        back=f"edgedrop {act} {name} --end",
    )


def ended(where: Where, act: Act, name: str, why: str) -> Wanted:
    """What another command set aside, that one's own end gives back."""
    held = where.held.get(name)
    if held and held.act != act:
        undo = f"edgedrop failback {where.geo.name}" if held.act == "failover" else f"edgedrop {held.act} {name} --end"
        raise BadUsage(f"{name} is set aside by {held.act}, not by {act}", f"type: {undo}")
    words = (f"{name} gets claims again, as its front's checks allow",)
    return Wanted(
        f"{act} --end", f"give {name} claims again", words, {name: "ready"}, end=(name,), everywhere=True, why=why
    )
