"""A node that is re-imaged over and over, in a lab and a drop of its own: what it runs, what it sold, its journal."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from infra import stacks
from infra.home import ROOT
from infra.ops import status
from infra.ops.claimant import Buyer, Got, send
from infra.release import Release
from node_image.protocol import journal
from node_image.protocol.errors import JournalDamaged
from tests.e2e.reimaging import NODE, address, box, told_by
from tests.e2e.standing import Standing

END_S = 150.0  # for a box to come to its end by itself: 60 s of gates, and what Docker takes for both releases
TOOL_S = 240.0
PATIENCE_S = 8.0  # for a tool whose box is gone, before the person presses ^C
POLL_S = 0.5
JOURNALS = "/var/lib/docker/volumes/edgedrop-journal/_data"
RUNS = "docker ps -q | xargs -r docker inspect -f '{{index .Config.Labels \"edgedrop.service\"}} {{.Config.Image}}'"


@dataclass
class Tool:
    """`edgedrop reimage` as a process, and what it said."""

    process: subprocess.Popen[bytes]
    log: Path

    def ended(self, seconds: float) -> int | None:
        """Its exit code; None where it goes on."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """It and all that it started."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def said(self) -> str:
        """Until now."""
        return self.log.read_text()


@dataclass
class Place:
    """The node, from the side of its engine, its buyers and its disk. `stands` is the release that it is to run."""

    standing: Standing
    stack: str
    stands: Release
    folder: Path
    sold: list[Got] = field(default_factory=list)
    kept: bytes = b""  # its journal when it was looked at last
    end_s: float = END_S

    @property
    def at(self) -> str:
        """Its address in the geography's network."""
        return httpx.URL(address(self.stack)).host

    def type(self, release: Release, *more: str, bug: str = "") -> Tool:
        """The command, with a bug in the installer that it brings where one is named."""
        module = ("tests.chaos.planted_reimage", bug) if bug else ("infra.ops",)
        words = ("reimage", NODE, "--drop", self.stack, "--yes", "--release", release.digest[:12], *more)
        log = self.folder / "tool.log"
        with log.open("wb") as file:
            command = [sys.executable, "-m", *module, *words]
            process = subprocess.Popen(
                command, cwd=ROOT, env=self.standing.env, stdout=file, stderr=file, start_new_session=True
            )
        return Tool(process, log)

    def again(self, release: Release) -> str:
        """The same typed again, as its answers ask for, until the node is on the release; why it is not."""
        more: tuple[str, ...] = ()
        for _ in range(3):
            tool = self.type(release, *more)
            code, said = tool.ended(TOOL_S), tool.said()
            tool.kill()
            if code == 0:
                self.stands = release
                return self.wrong()
            if "failed here before" in said:
                more = ("--again",)
            elif not any(words in said for words in ("type the same again", "wait for its end")):
                break
        return f"typed again it ends with {code}: {said[-300:]}"

    def at_an_end(self, old: Release, new: Release) -> str:
        """Once nothing is under way any more: whether it is all old or all new; "" where it is."""
        return self._waited(lambda: self._judge(old, new))

    def on_one(self, old: Release, new: Release) -> str:
        """Whether it is all old or all new, at an end or not."""
        return self._waited(lambda: "" if self._runs() in (dict(old.images), dict(new.images)) else "it runs neither")

    def wrong(self) -> str:
        """What is not as it must be on a node at its end, after some time to come round."""
        return self._waited(self._sells) or self._journal_faulty()

    def buy(self) -> str:
        """One more claim, at the node itself; why it got no voucher."""
        plan, _ = status.places(stacks.load(self.stack))
        with httpx.Client(trust_env=False) as client:
            got = send(client, address(self.stack), "quay", Buyer(plan).wish(0))
        if got.voucher is None:
            return f"it does not sell: {got.failures[-1:]}"
        self.sold.append(got)
        return ""

    def phase(self) -> str:
        """Where its installer stands; "" where nobody answers."""
        try:
            return str(told_by(self.stack)["state"]["phase"])
        except (subprocess.SubprocessError, json.JSONDecodeError):
            return ""

    # ---- how

    def _waited(self, look: Callable[[], str]) -> str:
        """The last reason, or none."""
        deadline = time.monotonic() + self.end_s
        while True:
            try:
                why = look()
            except (subprocess.SubprocessError, json.JSONDecodeError, httpx.HTTPError) as fault:
                why = f"nobody answers: {fault!r}"
            if not why or time.monotonic() > deadline:
                return why
            time.sleep(POLL_S)  # the pace of asking

    def _judge(self, old: Release, new: Release) -> str:
        state = told_by(self.stack)["state"]
        if state["phase"] in ("trying", "committing", "rolling back"):
            return f"it is {state['phase']} still"
        committed = state["phase"] == "committed" and state["release"] == new.digest
        wanted, runs = new if committed else old, self._runs()
        if runs != wanted.images:
            return f"it is {state['phase']}, and runs {sorted(set(runs.items()) ^ set(wanted.images.items()))}"
        self.stands = wanted
        return ""

    def _runs(self) -> dict[str, str]:
        lines = box(self.stack, "sh", "-c", RUNS).splitlines()
        told = (line.split() for line in lines)
        return {service: image.partition("/")[2] for service, image in told}

    def _sells(self) -> str:
        """New claims, and one that it answered before with the voucher of then."""
        if why := self.buy():
            return why
        old = random.choice(self.sold)  # noqa: S311
        with httpx.Client(trust_env=False) as client:
            now = send(client, address(self.stack), "quay", old.wish).voucher
        same = now and old.voucher and all(now[part] == old.voucher[part] for part in ("voucher", "batch", "token_id"))
        return "" if same else f"claim {old.wish.claim_id} is answered otherwise than before: {now}"

    def _journal_faulty(self) -> str:
        """It verifies, and goes on from what it was."""
        listed = ("exec", f"{self.stack}-{NODE}", "sh", "-c", f"cat {JOURNALS}/*.journal")
        data = subprocess.run(["docker", *listed], capture_output=True, check=True, timeout=30).stdout
        try:
            kept, self.kept = self.kept, data[: journal.scan(data).good_length]
        except JournalDamaged as fault:
            return f"its journal does not verify: {fault}"
        return "" if self.kept.startswith(kept) else "its journal is not what it was"
