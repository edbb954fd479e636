"""A box's power by its own board controller (BMC), over Redfish: the way that is left when the box answers nobody."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from infra.errors import BadUsage, EdgedropError, NotVerified, Unreachable
from infra.home import home

if TYPE_CHECKING:
    from sushy.resources.system.system import System

CONNECT_S, READ_S = 5, 15
CHANGE_S = 60.0  # a board takes seconds, some half a minute
POLL_S = 0.5
OTHERS = 0o077


@dataclass(frozen=True, slots=True)
class Bmc:
    """Where it is and who we are there; `ca` (PEM) checks its certificate, where this machine can't."""

    url: str
    user: str
    password: str = field(repr=False)
    ca: Path | None = None


def bmc(url: str, user: str, password_file: Path, ca: Path | None = None) -> Bmc:
    """With the password from its file, which nobody else may read; a bare name is one of EDGEDROP_HOME/keys."""
    file = password_file if password_file.exists() else home() / "keys" / password_file
    try:
        mode, text = file.stat().st_mode, file.read_text().strip()
    except (OSError, UnicodeDecodeError) as fault:
        raise BadUsage(f"{password_file}: no password can be read there", "give the file that holds it") from fault
    if mode & OTHERS:
        raise BadUsage(f"{file} may be read by others", f"type: chmod 600 {file}")
    if not text:
        raise BadUsage(f"{file} is empty", "it holds the password, in one line")
    return Bmc(url, user, text, ca)


def state(board: Bmc) -> str:
    """`on`, `off`, or what else the board says."""
    with _system(board) as system:
        return _state(system)


def cycle(board: Bmc) -> None:
    """Power off and on again, or only on where it is off; done once the board says that it is on."""
    import sushy  # noqa: PLC0415  a second of imports that most runs do without

    with _system(board) as system:
        restart = _state(system) == "on"
        system.reset_system(sushy.ResetType.FORCE_RESTART if restart else sushy.ResetType.ON)
        deadline = time.monotonic() + CHANGE_S
        while True:
            system.refresh(force=True)
            if _state(system) == "on":
                return
            if time.monotonic() > deadline:
                raise EdgedropError(
                    f"the board at {board.url} says {_state(system)} after {CHANGE_S:.0f} s", "somebody must go there"
                )
            time.sleep(POLL_S)  # the pace of asking


def _state(system: System) -> str:
    return str(system.power_state.value).lower() if system.power_state else "unknown"


@contextmanager
def _system(board: Bmc) -> Iterator[System]:
    """The one machine behind the board; its faults as a person is told them."""
    import sushy  # noqa: PLC0415
    from requests import exceptions as http  # noqa: PLC0415
    from sushy import exceptions as faults  # noqa: PLC0415

    try:
        found = sushy.Sushy(
            board.url,
            board.user,
            board.password,
            verify=str(board.ca) if board.ca else True,
            connect_timeout=CONNECT_S,
            read_timeout=READ_S,
            server_side_retries=1,
        )
        systems = found.get_system_collection().get_members()
        if len(systems) != 1:
            raise BadUsage(f"the board at {board.url} has {len(systems)} machines", "name a board with one machine")
        yield systems[0]
    except faults.AccessError as fault:
        raise NotVerified(f"the board at {board.url} does not let {board.user} in", "is the password right?") from fault
    except (faults.SushyError, http.RequestException, OSError) as fault:
        raise Unreachable(f"the board at {board.url}: {fault}", "is its address right, and its certificate?") from fault
