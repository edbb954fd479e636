"""Buyers who go on whatever becomes of the front: what they were answered, when, and how often they were cut off."""

from __future__ import annotations

import threading
import time
import uuid
from typing import Self

import httpx

from infra.plan.model import Geography
from tests.e2e.standing import wait_for


class Buyers:
    """Four, each with one claim after the other on a connection of its own; what gets no answer is asked again."""

    TRY_S = 0.25

    def __init__(self, geo: Geography) -> None:
        self.url, self.over = f"{geo.front_url}/v1/claims", threading.Event()
        self.answered: list[float] = []  # times of the monotonic clock
        self.claims: list[tuple[str, int]] = []  # id and status
        self.cut = 0  # tries without an answer
        self.threads = [threading.Thread(target=self.buy) for _ in range(4)]

    def __enter__(self) -> Self:
        for one in self.threads:
            one.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        for one in self.threads:
            one.join()

    def buy(self) -> None:
        while not self.over.wait(0.02):
            wish = uuid.uuid4().hex
            while (status := self.tried(wish)) is None:
                self.cut += 1
            self.answered.append(time.monotonic())
            self.claims.append((wish, status))

    def tried(self, wish: str) -> int | None:
        try:
            return httpx.post(self.url, json={"claim_id": wish}, timeout=self.TRY_S).status_code
        except httpx.HTTPError:
            return None

    def more(self, claims: int) -> None:
        """Until so many more are answered."""
        wanted = len(self.claims) + claims
        wait_for(lambda: len(self.claims) >= wanted, 10, f"{claims} more claims")
