"""A signer asks who saw its journal and what time it is, and signs nothing before it was told both."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from node_image.protocol import closeout, journal, lease
from node_image.protocol.facts import DropFacts
from node_image.protocol.freshness import Freshness
from node_image.protocol.journal import Kind
from node_image.protocol.timing import JUMP_MS
from node_image.protocol.witness import Mark
from node_image.signer.core import Refused, Signer
from node_image.signer.outlook import ANSWER_MS, FLOOR_STEP_MS, MAX_OPEN, machine_count
from node_image.signer.status import status
from tests.a_witness import Witness
from tests.unit.protocol.world import FACTS, NOW
from tests.unit.signer.box import OWNER, PEER_KEY, Box, refused, sold


async def test_with_no_witness_nothing_is_signed_and_it_says_why(box: Box) -> None:
    signer = await box.start()
    assert await refused(signer) == ("not_ready", "no witness has said yet that this journal is the newest")
    told = status(signer)
    assert (told["ready"], told["fresh"], told["reason"]) == (False, False, signer.standing().verdict.reason)
    assert told["vouched_by"] == ()
    assert told["time"] == {"lo": 0, "hi": None, "source": "", "refused": ""}
    await box.vouch(signer)
    await sold(signer, "a")
    told = status(signer)
    assert (told["ready"], told["fresh"], told["reason"], told["time"]["source"]) == (True, True, "", "hub")
    assert told["vouched_by"] == ("hub",)


async def test_facts_without_witnesses_are_facts_with_which_nothing_is_signed(box: Box) -> None:
    told = msgspec.json.decode(msgspec.json.encode(box.facts))
    del told["witnesses"]
    box.facts = msgspec.convert(told, DropFacts)
    signer = await box.start()
    with pytest.raises(Refused, match="no statement of a witness that this node knows"):
        await box.vouch(signer)
    assert (await refused(signer))[0] == "not_ready"


async def test_a_restored_older_copy_is_refused_with_its_gap_and_for_good(box: Box) -> None:
    signer = await box.start()
    await box.vouch(signer)
    await sold(signer, "a")
    copy = box.folder / "copy.journal"
    shutil.copy(box.path, copy)
    held = len(journal.scan(copy.read_bytes()).frames)
    await sold(signer, "b", 1)
    await sold(signer, "c", 2)
    saw = box.saw(signer)
    restored = await box.start(copy)
    assert (await refused(restored))[0] == "not_ready"
    await box.vouch(restored, saw)
    reason = f"hub saw {saw.frames - held} frames that are not in this journal: an older copy"
    assert await refused(restored) == ("stopped", reason)
    await box.vouch(restored, replace(saw, frames=0, head=journal.NO_HEAD))  # one who saw less makes nothing good
    assert await refused(restored) == ("stopped", reason)
    told = status(restored)
    assert (told["ready"], told["fresh"], told["reason"]) == (False, False, reason)
    with pytest.raises(Refused, match="older copy"):
        await restored.take_lease(lease.LeaseDocument(1, "", "", 1, box.facts.grant_id, told["key"], ()), b"")
    assert restored.tail(0, 100) == [], "it would stand in the hub's stream beside the newest journal"
    assert len(journal.scan(copy.read_bytes()).frames) == held


async def test_another_history_is_refused(box: Box) -> None:
    first = await box.start()
    await box.vouch(first)
    shutil.copy(box.path, box.folder / "fork.journal")
    fork = await box.start(box.folder / "fork.journal")
    await box.vouch(fork)
    await sold(first, "a")
    await sold(fork, "b", 1)
    await sold(fork, "c", 2)
    again = await box.start(box.folder / "fork.journal")
    await box.vouch(again, box.saw(first))
    code, reason = await refused(again)
    assert (code, "two journals of one grant" in reason) == ("stopped", True)


async def test_a_copy_that_sells_elsewhere_stops_this_one_while_it_runs(box: Box) -> None:
    first = await box.start()
    await box.vouch(first)
    await sold(first, "a")
    shutil.copy(box.path, box.folder / "fork.journal")
    fork = await box.start(box.folder / "fork.journal")
    await box.vouch(fork, box.saw(first))
    await sold(fork, "b", 1)
    await box.vouch(first, box.saw(fork))
    assert (await refused(first))[0] == "stopped"
    assert first.tail(0, 100), "what it signed while it was vouched for is what people decide by"


async def test_a_restart_on_the_newest_journal_goes_on(box: Box) -> None:
    signer = await box.start()
    await box.vouch(signer)
    first = await sold(signer, "a")
    saw = box.saw(signer)
    await sold(signer, "b", 1)  # not shipped when it died
    again = await box.start()
    await box.vouch(again, saw)
    assert await sold(again, "a") == first
    assert (await sold(again, "c", 2)).voucher.seq == 2


async def test_a_witness_that_saw_any_part_is_held_to_its_head(box: Box) -> None:
    heads = lengthen(box, await box.start(), 600)
    for count in (1, 255, 256, 257, 512, 600):
        signer, other = await box.start(), await box.start()
        await box.vouch(signer, replace(box.witness, frames=count, head=heads[count - 1]))
        assert signer.standing().verdict.freshness is Freshness.FRESH
        await box.vouch(other, replace(box.witness, frames=count, head=heads[count - 2]))
        assert other.standing().verdict.freshness is Freshness.OTHER_HISTORY


def lengthen(box: Box, signer: Signer, length: int) -> list[bytes]:
    """A journal of so many frames, most of which say the leases once more; each frame's head."""
    frames = list(journal.scan(box.path.read_bytes()).frames)
    told = {"document": {"leases": [msgspec.to_builtins(one) for one in signer.state.leases.values()]}, "envelope": b""}
    while len(frames) < length:
        frames.append(journal.encode(Kind.LEASE, len(frames), told, frames[-1].head))
    box.path.write_bytes(b"".join(frame.raw for frame in frames))
    return [frame.head for frame in frames]


async def test_frames_leave_the_box_only_once_it_is_vouched_for(box: Box) -> None:
    signer = await box.start()
    assert (signer.durable > 0, signer.shippable, signer.tail(0, 100)) == (True, 0, [])
    await box.vouch(signer)
    assert signer.shippable == signer.durable == len(signer.tail(0, 100)) > 0


async def test_what_the_sites_witnesses_are_told_is_durable_and_vouched_for(box: Box) -> None:
    signer = await box.start()
    assert signer.newest == Mark(0, 0, journal.NO_HEAD)
    await box.vouch(signer)
    await sold(signer, "a")
    *durable, last = journal.scan(box.path.read_bytes()).frames
    assert (last.kind, signer.durable) == (Kind.SIGNATURE, last.seq), "it is synced a moment later, by itself"
    assert signer.newest == Mark(last.seq, 1, durable[-1].head)
    await box.vouch(await box.start(), replace(box.witness, frames=last.seq, head=durable[-1].head))


async def test_one_at_the_site_vouches_for_the_journal_and_the_boots_own_count_for_the_time(box: Box) -> None:
    signer = await box.start()
    await box.vouch(signer)
    saw = replace(box.saw(signer), key=PEER_KEY, name="front", now_ms=lambda: 0)
    box.facts = msgspec.structs.replace(box.facts, witnesses=box.facts.witnesses | saw.public)
    box.now_ms += 600_000
    again = await box.start()
    await box.vouch(again, saw)
    told = status(again)
    assert (told["ready"], told["vouched_by"], told["time"]["source"]) == (True, ("front",), "hub")
    await sold(again, "a")


async def test_an_answer_counts_once(box: Box) -> None:
    signer = await box.start()
    answer = box.witness.answer(box.facts.grant_id, signer.question())
    await signer.hear(answer)
    again = await box.start()
    for one in (signer, again):
        with pytest.raises(Refused, match="no question of this signer, or one that was answered") as no:
            await one.hear(answer)
        assert no.value.code == "bad_witness"
    assert (await refused(again))[0] == "not_ready"


async def test_an_answer_that_was_held_back_is_none(box: Box) -> None:
    signer = await box.start()
    await box.vouch(signer, way_ms=ANSWER_MS)
    late = await box.start()
    with pytest.raises(Refused, match=f"more than {ANSWER_MS}"):
        await box.vouch(late, way_ms=ANSWER_MS + 1)


async def test_a_strangers_answer_and_one_for_another_grant_are_none(box: Box) -> None:
    signer = await box.start()
    with pytest.raises(Refused, match="no statement of a witness"):
        await box.vouch(signer, Witness(now_ms=box.witness.now_ms))
    with pytest.raises(Refused, match="another grant"):
        await signer.hear(box.witness.answer("0x" + "11" * 32, signer.question()))
    box.facts = msgspec.structs.replace(box.facts, witnesses={"peer": box.witness.public["hub"]})
    other = await box.start()
    with pytest.raises(Refused, match="no statement of a witness"):
        await box.vouch(other)  # a key speaks in its own name alone


async def test_questions_are_bounded(box: Box) -> None:
    signer = await box.start()
    first = signer.question()
    for _ in range(MAX_OPEN):
        last = signer.question()
    with pytest.raises(Refused, match="no question"):
        await signer.hear(box.witness.answer(box.facts.grant_id, first))
    await signer.hear(box.witness.answer(box.facts.grant_id, last))


async def test_the_whole_round_trip_is_the_intervals_width(box: Box) -> None:
    signer = await box.start()
    asked = box.now_ms
    await box.vouch(signer, way_ms=3_000)
    found = signer.standing().time
    assert (found.lo, found.hi) == ((asked + 1_500) // 1000, -(-(asked + 4_500) // 1000))


@pytest.mark.parametrize(
    ("true", "code"), [(FACTS.opens_at - 2, "not_open"), (FACTS.closes_at, "closed"), (FACTS.closes_at + 100, "closed")]
)
async def test_outside_the_window_nothing_is_signed_whatever_the_wall_clock_says(
    box: Box, true: int, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: NOW)
    monkeypatch.setattr(time, "time_ns", lambda: NOW * 10**9)
    box.now_ms, box.booted_ms = true * 1000, true * 1000 - 50_000
    signer = await box.start()
    await box.vouch(signer)
    assert (await refused(signer))[0] == code


async def test_the_window_closes_by_the_machines_own_count_with_the_hub_away(box: Box) -> None:
    signer = await box.start()
    await box.vouch(signer)
    box.now_ms = (FACTS.closes_at - 10) * 1000
    await sold(signer, "a")
    box.now_ms += 9_000  # 1,000 s by 200 ppm: the last fifth of a second is not sure, and counted in whole ones
    assert (await refused(signer))[0] == "closed"


async def test_a_machine_that_rebooted_signs_nothing_before_a_source_is_heard(box: Box) -> None:
    signer = await box.start()
    await box.vouch(signer)
    saw = box.saw(signer)
    box.now_ms += 60_000
    box.reboot()
    peer = box.witness_that_tells_no_time()
    box.facts = msgspec.structs.replace(box.facts, witnesses=box.facts.witnesses | peer.public)
    again = await box.start()
    await box.vouch(again, peer)
    assert await refused(again) == ("not_ready", "no source has told the time since this machine started")
    await box.vouch(again, saw)
    assert (await sold(again, "a")).batch.issued_at == box.now_ms // 1000


async def test_a_box_that_was_off_for_long_needs_a_second_source_and_the_owner_is_one(box: Box) -> None:
    await box.vouch(await box.start())
    box.now_ms += JUMP_MS + 60_000
    box.reboot()
    signer = await box.start()
    await box.vouch(signer)
    assert (await refused(signer))[0] == "not_ready"
    assert "takes two" in status(signer)["time"]["refused"]
    await box.vouch(signer, Witness(OWNER, now_ms=box.witness.now_ms, name="owner"))
    assert status(signer)["time"]["source"] == "hub+owner"
    await sold(signer, "a")
    assert (await box.start()).state.clock == signer.state.clock


async def test_the_owners_word_for_a_disk_stands_in_its_journal(box: Box) -> None:
    signer = await box.start()
    await box.vouch(signer, replace(box.saw(signer), key=OWNER, name="owner"))
    assert box.kinds[-2:] == [Kind.VOUCH, Kind.TIME]
    await sold(signer, "a")
    await box.vouch(signer, replace(box.witness, frames=signer.state.journal_seq + 1, head=bytes(32)))
    assert (await refused(signer))[0] == "stopped", "who saw more is believed all the same"


async def test_a_restart_on_the_same_boot_knows_the_time_and_still_asks_for_a_witness(box: Box) -> None:
    await box.vouch(await box.start())
    box.now_ms += 60_000
    again = await box.start()
    assert again.standing().time.hi is not None
    assert (await refused(again))[0] == "not_ready"


async def test_one_source_alone_does_not_jump(box: Box) -> None:
    signer = await box.start()
    await box.vouch(signer)
    floor = signer.state.clock.floor_ms
    await box.vouch(signer, replace(box.witness, now_ms=lambda: box.now_ms + JUMP_MS + 1_000))
    assert signer.state.clock.floor_ms == floor
    assert "more than 300 takes two" in status(signer)["time"]["refused"]
    await box.vouch(signer)
    assert status(signer)["time"]["refused"] == ""
    await sold(signer, "a")


async def test_a_time_frame_is_written_only_where_something_needs_it(box: Box) -> None:
    signer = await box.start()
    await box.vouch(signer, way_ms=2_500)
    assert box.kinds.count(Kind.TIME) == 1
    await box.vouch(signer, way_ms=2_500)
    assert box.kinds.count(Kind.TIME) == 1
    await box.vouch(signer, way_ms=10)  # narrower by seconds
    assert box.kinds.count(Kind.TIME) == 2
    box.now_ms += FLOOR_STEP_MS
    await box.vouch(signer)
    assert box.kinds.count(Kind.TIME) == 3
    frame = [one for one in journal.scan(box.path.read_bytes()).frames if one.kind is Kind.TIME][-1]
    (reading,) = frame.payload["readings"]
    assert (reading["source"], reading["boot_id"], bool(reading["envelope"])) == ("hub", "b1", True)
    again = await box.start()  # the frames are read again by the rules
    assert again.state.clock == signer.state.clock


async def crashed(box: Box) -> Signer:
    """A signer on a disk that holds a header with no signature: the process died between sync and HSM."""
    signer = await box.start()
    await box.vouch(signer)
    await sold(signer, "a")
    data, frames = box.path.read_bytes(), journal.scan(box.path.read_bytes()).frames
    assert frames[-1].kind is Kind.SIGNATURE
    box.path.write_bytes(data[: -len(frames[-1].raw)])
    return await box.start()


async def test_what_a_crash_left_is_signed_once_it_is_vouched_for_and_in_time(box: Box) -> None:
    signer = await crashed(box)
    box.reboot()
    signer = await box.start()
    assert len(signer.state.unsigned()) == 1
    with pytest.raises(Refused, match="no such claim"):
        signer.find("a")
    await box.vouch(signer)
    assert signer.state.unsigned() == []
    assert signer.find("a").batch.batch_seq == 0


async def test_what_a_crash_left_is_not_signed_on_an_older_copy(box: Box) -> None:
    signer = await crashed(box)
    await box.vouch(signer, replace(box.witness, frames=signer.state.journal_seq + 1, head=bytes(32)))
    assert len(signer.state.unsigned()) == 1


async def test_only_a_journal_that_is_vouched_for_is_closed_and_then_for_good(box: Box) -> None:
    command = closeout.Command(1, box.facts.drop, box.facts.node, 1, box.facts.grant_id)
    signer = await box.start()
    with pytest.raises(Refused, match="no witness") as no:
        await signer.close(command)
    assert no.value.code == "not_ready"
    await box.vouch(signer)
    high_seqs, _ = await signer.close(command)
    again = await box.open()
    assert (await again.close(command))[0] == high_seqs, "nothing follows a close-out: it needs no witness"
    await box.vouch(again, box.saw(signer))
    assert box.kinds[-1] is Kind.CLOSE, "nor does a TIME frame"


def test_the_count_is_the_machines_own() -> None:
    count = machine_count()
    first, second = count(), count()
    assert first.id == second.id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert 0 < first.ms <= second.ms
