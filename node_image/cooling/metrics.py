"""What Prometheus reads of the last look, made at each scrape: a sensor that is gone leaves no line behind."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from node_image.cooling.ladder import Rung
from node_image.cooling.told import Told

SOUND = "sound"


def exposition(told: Told | None) -> bytes:
    """Temperatures in degrees Celsius; before the first look only that nothing is known."""
    registry = CollectorRegistry()

    def gauge(name: str, what: str, *labels: str) -> Gauge:
        return Gauge(f"edgedrop_cooling_{name}", what, labels, registry=registry)

    gauge("looked", "1 once the box was looked at").set(told is not None)
    if told is None:
        return generate_latest(registry)
    gauge("rung", "0 normal, 1 reduced, 2 drain, 3 stop").set(Rung[told.rung.upper()])
    gauge("weight_percent", "What the front is told").set(told.weight)
    gauge("pwm", "Speed of the fans, 0 to 255").set(told.pwm)
    ahead = float("inf") if told.seconds_to_limit is None else told.seconds_to_limit
    gauge("seconds_to_limit", "Forecast of the sensor that is there first").set(ahead)
    if told.disk_free_bytes is not None:
        gauge("disk_free_bytes", "On the disk of the journal").set(told.disk_free_bytes)
    degrees, limit = gauge("celsius", "Said last", "sensor"), gauge("limit_celsius", "Throttles from here", "sensor")
    believed = gauge("believed", "1 where the sensor is sound", "sensor")
    for one in told.sensors:
        degrees.labels(one.name).set(float("nan") if one.celsius is None else one.celsius)
        limit.labels(one.name).set(one.limit_celsius)
        believed.labels(one.name).set(one.verdict == SOUND)
    rpm, obeys = gauge("fan_rpm", "Of the tachometer", "fan"), gauge("fan_obeys", "1 where it can be set", "fan")
    for fan in told.fans:
        rpm.labels(fan.name).set(float("nan") if fan.rpm is None else fan.rpm)
        obeys.labels(fan.name).set(fan.obeys)
    return generate_latest(registry)
