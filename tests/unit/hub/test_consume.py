"""A consumer waits for ever: that nothing came is no fault, by whatever name nats-py calls it."""

from __future__ import annotations

from typing import Any, cast

import nats.errors
import pytest
from nats.js import JetStreamContext

from node_image.hub.ledger.consume import _messages


class FakeStream:
    """Its consumer has nothing, then one message, then nothing; never for real: a fake of nats-py for this file."""

    def __init__(self, nothing: type[Exception]) -> None:
        self.answers: list[Any] = [nothing(), ["a message"], nothing()]

    async def pull_subscribe(self, *_: object, **__: object) -> FakeStream:
        return self

    async def fetch(self, *_: object, **__: object) -> list[str]:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return list(answer)


@pytest.mark.parametrize("nothing", [nats.errors.TimeoutError, TimeoutError])
async def test_a_silent_subject_is_waited_for(nothing: type[Exception]) -> None:
    stream = cast("JetStreamContext", FakeStream(nothing))
    async for message in _messages(stream, "JOURNAL", "journal.>", "durable"):
        assert cast("str", message) == "a message"
        break
