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
        with httpx.Client(timeout=self.TRY_S, limits=httpx.Limits(max_keepalive_connections=0)) as client:
            while not self.over.wait(0.02):
                wish = uuid.uuid4().hex
                while (status := self.tried(client, wish)) is None:
                    self.cut += 1
                    self.over.wait(0.05)  # a page's patience is longer
                self.answered.append(time.monotonic())
                self.claims.append((wish, status))

    def tried(self, client: httpx.Client, wish: str) -> int | None:
        try:
            return client.post(self.url, json={"claim_id": wish}).status_code
        except httpx.HTTPError:
            return None

    def more(self, claims: int) -> None:
        """Until so many more are answered."""
        wanted = len(self.claims) + claims
        wait_for(lambda: len(self.claims) >= wanted, 10, f"{claims} more claims")
