"""A node as processes of this machine (mint, signer, SoftHSM2), a cable that can be bad, and what can befall it."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

import httpx

from node_image.front.config import CLAIMS_AT_ONCE
from node_image.protocol import frames
from node_image.protocol.journal import decode
from tests.drop_on_disk import Drop
from tests.e2e.hub_world import free_port
from tests.e2e.standing import wait_for

START_S = 60.0
# One for all: to make one takes 30 ms. No connection is kept, since nodes are killed.
HTTP = httpx.Client(trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))


@dataclass
class Node:
    """Its processes, and the cable between it and the front where there is one of ours."""

    drop: Drop
    start: int
    port: int = field(default_factory=free_port)
    signer: tuple[str, ...] = ("node_image.signer",)  # a module and its words
    at_once: int = CLAIMS_AT_ONCE
    relay_port: int = 0
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def front_port(self) -> int:
        """Where the front reaches it."""
        return self.relay_port or self.port

    def up(self) -> None:
        """Signer and mint, until it can sell."""
        environment = self.drop.environment() | {"EDGEDROP_PORT": str(self.port), "EDGEDROP_HOST": "127.0.0.1"}
        for name, words in (("signer", self.signer), ("mint", ("node_image.mint",))):
            command = [sys.executable, "-m", *words]
            self.running[name] = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        wait_for(lambda: self.asked("/livez"), START_S, "the mint")

    def cable(self) -> None:
        """One that can be bad."""
        self.relay_port = free_port()
        command = [sys.executable, "-m", "tests.bench.relay", str(self.relay_port), str(self.port)]
        self.running["relay"] = subprocess.Popen(command, stdin=subprocess.PIPE)
        wait_for(lambda: self.asked("/livez", self.relay_port), START_S, "the cable")

    def asked(self, path: str, port: int = 0) -> bool:
        """Whether it says yes."""
        try:
            return HTTP.get(f"http://127.0.0.1:{port or self.port}{path}", timeout=1).is_success
        except httpx.HTTPError:
            return False

    def claims(self) -> set[str]:
        """Those that its journal holds."""
        (file,) = (self.drop.folder / "journal").glob("*.journal")
        found = (frame.told for _, frame in decode(file.read_bytes()))
        return {told.claim_id for told in found if isinstance(told, frames.Claim)}

    def voucher(self, claim_id: str) -> dict[str, Any] | None:
        """What it gave for a claim."""
        answer = HTTP.get(f"http://127.0.0.1:{self.port}/v1/claims/{claim_id}", timeout=10)
        return dict(answer.json()) if answer.is_success else None

    def strike(self, fault: str) -> None:
        """Make it so."""
        signer, mint = self.running["signer"], self.running["mint"]
        match fault:
            case "killed" | "hung":
                for process in (mint, signer):
                    process.send_signal(signal.SIGKILL if fault == "killed" else signal.SIGSTOP)
            case "disk_filled":
                (journal,) = (self.drop.folder / "journal").glob("*.journal")
                full = journal.stat().st_size  # no byte more: what a full disk answers to an append
                resource.prlimit(signer.pid, resource.RLIMIT_FSIZE, (full, resource.RLIM_INFINITY))
            case "disconnected" | "slowed":
                self._cable_is("cut" if fault == "disconnected" else "slow")

    def mend(self, fault: str) -> None:
        """As it was, with the journal it has."""
        match fault:
            case "killed":
                self.up()
                self.drop.vouch()
            case "hung":
                for name in ("signer", "mint"):
                    self.running[name].send_signal(signal.SIGCONT)
            case "disconnected" | "slowed":
                self._cable_is("good")
            case "disk_filled":
                none = resource.RLIM_INFINITY
                resource.prlimit(self.running["signer"].pid, resource.RLIMIT_FSIZE, (none, none))

    def halt(self) -> None:
        """Mint and signer; the cable stays."""
        self._end("mint", "signer")

    def down(self) -> None:
        """All of it."""
        self._end(*self.running)

    def _end(self, *names: str) -> None:
        for name in names:
            self.running[name].kill()
            self.running[name].wait()

    def _cable_is(self, how: str) -> None:
        pipe = self.running["relay"].stdin
        if pipe is None:
            raise RuntimeError("the relay has no stdin")
        pipe.write(f"{how}\n".encode())
        pipe.flush()
