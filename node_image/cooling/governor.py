"""From one look at the box to what is done about it: fans, weight, stop. Pure; agent.py looks and acts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from node_image.cooling import curve, disk, forecast, health, ladder
from node_image.cooling.health import Sample, Track, Verdict
from node_image.cooling.ladder import Heat, Place, Rung
from node_image.cooling.sensors import Reading

DEGREE = 1000


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen at `at`: seconds of a clock that never jumps, the load 0 to 1, bytes free on the disk."""

    at: float
    readings: tuple[Reading, ...]
    load: float | None = None
    free: int | None = None


@dataclass(frozen=True, slots=True)
class State:
    """All that is known and decided, after a look."""

    tracks: Mapping[str, Track] = field(default_factory=dict)
    loads: tuple[Sample, ...] = ()
    place: Place = field(default_factory=Place)
    disk: Rung = Rung.NORMAL
    free: int | None = None
    pwm: int = curve.FULL  # until something is known
    heats: Mapping[str, Heat] = field(default_factory=dict)  # of the sensors that are believed

    @property
    def weight(self) -> int:
        """Percent that the front is told."""
        return min(self.place.rung.weight, self.disk.weight)

    @property
    def untrusted(self) -> dict[str, Verdict]:
        """Sensors that are not believed."""
        return {name: track.verdict for name, track in self.tracks.items() if track.verdict is not Verdict.SOUND}

    @property
    def seconds_to_limit(self) -> float | None:
        """Of the sensor that is there first; None where none comes near."""
        return min((heat.seconds for heat in self.heats.values() if heat.seconds is not None), default=None)

    @property
    def reason(self) -> str:
        """In words a person acts on; empty where all is well."""
        return "; ".join(_reasons(self))


def known(names: Mapping[str, int], rung: Rung, now: float) -> State:
    """A state that knows sensors by name, with their limits, from an earlier life: one that is gone is missed."""
    return State(tracks={name: Track(name, limit, now) for name, limit in names.items()}, place=Place(rung))


def step(state: State, look: Look, dwell_s: float = ladder.DWELL_S) -> State:
    """The next state."""
    loads = state.loads if look.load is None else (*state.loads, Sample(look.at, look.load))
    loads = health.recent(loads, look.at)
    tracks = health.follow(state.tracks, look.readings, loads, look.at)
    heats = {name: _heat(track) for name, track in tracks.items() if track.sound}
    seen = replace(state, tracks=tracks, loads=loads, free=look.free, heats=heats)
    blind = bool(tracks) and not heats
    headroom = None if seen.untrusted else min((heat.headroom for heat in heats.values()), default=None)
    return replace(
        seen,
        place=ladder.climb(state.place, None if blind else list(heats.values()), look.at, dwell_s),
        disk=disk.next_rung(state.disk, look.free),
        pwm=curve.next_pwm(state.pwm, headroom),
    )


def _heat(track: Track) -> Heat:
    return Heat(track.limit - (track.value or 0), forecast.seconds_to(track.limit, track.samples))


def _reasons(state: State) -> list[str]:
    said = [f"{name} is {verdict}" for name, verdict in state.untrusted.items()]
    if state.tracks and not state.heats:
        said.append("no sensor is believed")
    elif state.place.rung is not Rung.NORMAL and state.heats:
        name = min(state.heats, key=lambda one: state.heats[one].headroom)
        said.append(f"{name} is {state.heats[name].headroom / DEGREE:.1f} degrees below its limit")
    if state.disk is not Rung.NORMAL:
        said.append(f"{(state.free or 0) // disk.MIB} MiB are free on the disk")
    return said
