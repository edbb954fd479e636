"""What a dynamic resource does right now, on its own line of Pulumi's display: the engine's Log, ephemeral."""

from __future__ import annotations

import sys
from contextlib import suppress
from functools import cache

import grpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

SAY_S = 2.0


def say(urn: str, message: str) -> None:
    """Shown while the resource is at it, then forgotten."""
    _log(urn, message, engine_pb2.INFO, ephemeral=True)


def warn(urn: str, message: str) -> None:
    """Shown among the diagnostics at the end."""
    _log(urn, message, engine_pb2.WARNING, ephemeral=False)


def _log(urn: str, message: str, severity: engine_pb2.LogSeverity.ValueType, *, ephemeral: bool) -> None:
    """Nobody is worse off when the display doesn't hear it."""
    engine = _engine()
    if engine is None:
        return
    told = engine_pb2.LogRequest(severity=severity, message=message, urn=urn, ephemeral=ephemeral)
    with suppress(grpc.RpcError):
        engine.Log(told, timeout=SAY_S)


@cache
def _engine() -> engine_pb2_grpc.EngineStub | None:
    """A dynamic provider's first argument is the engine's address; anywhere else there is no engine."""
    address = sys.argv[1] if len(sys.argv) > 1 else ""
    host, _, port = address.rpartition(":")
    return engine_pb2_grpc.EngineStub(grpc.insecure_channel(address)) if host and port.isdigit() else None
