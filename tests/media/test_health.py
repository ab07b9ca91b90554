"""From findings to a verdict; the pulse of a clock; what FFmpeg complains of."""

import threading

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whenabouts.media.complaints import Complaints
from whenabouts.media.health import Findings, Pulse, verdict


def pulse_of(times: list[float], period: float = 0.04) -> Pulse:
    pulse = Pulse(period)
    for at in times:
        pulse.beat(at)
    return pulse


def test_regular_and_irregular_clocks_are_sound() -> None:
    regular = [k * 0.04 for k in range(100)]
    rounded = [round(k / 29.97, 3) for k in range(500)]
    dropped = [at for k, at in enumerate(regular) if k % 17 != 3]
    irregular = np.cumsum(np.random.default_rng(0).uniform(0.01, 0.2, 300)).tolist()
    for times, period in ((regular, 0.04), (rounded, 1 / 29.97), (dropped, 0.04), (irregular, 0.1)):
        pulse = pulse_of(times, period)
        assert (pulse.backward, pulse.moved_frames) == (0, 0)


@given(place=st.integers(2, 97), share=st.floats(0.1, 0.9))
@settings(max_examples=40, deadline=None)
def test_a_moved_frame_is_found_on_a_regular_clock(place: int, share: float) -> None:
    times = [k * 0.04 for k in range(100)]
    times[place] += 0.04 * share
    assert pulse_of(times).moved_frames >= 1


def test_a_clock_that_runs_backwards_is_counted() -> None:
    pulse = pulse_of([0.0, 0.04, 0.04, 0.02, 0.08])
    assert pulse.backward == 2
    assert pulse.beat(0.08) is False
    assert pulse.beat(0.12) is True


def sound(**changes: object) -> Findings:
    found = Findings(declared_end=4.0, frames=100, packets=100, shown_packets=100, decoded_end=4.0, packets_end=4.0)
    for name, value in changes.items():
        setattr(found, name, value)
    return found


def test_verdicts() -> None:
    assert verdict(sound()).status == "complete"
    assert verdict(sound(frames=0)).status == "unreadable"
    assert verdict(sound(frames=0, stopped="reading stopped")).reason == "reading stopped"
    cases = {
        "decoded to 3.00 s of 4.00 s": ({"decoded_end": 3.0, "packets_end": 3.0}, 0.75),
        "10 of 100 frames are damaged": ({"corrupt_frames": 10}, 0.9),
        "25 packets can't be decoded": ({"failed_packets": 25, "frames": 75}, 0.75),
        "2 packets are damaged": ({"corrupt_packets": 2}, 1.0),
        "99 packets where 100 are declared": ({"declared_packets": 100, "packets": 99}, 1.0),
        "3 packets made no picture": ({"one_to_one": True, "frames": 97}, 1.0),
        "the clock runs backwards 1 times": ({"pulse": pulse_of([0.0, 0.0])}, 0.99),
        "the clock jumps 2 times: the pieces were put end to end": ({"jumps": 2}, 1.0),
        "reading stopped: why": ({"stopped": "reading stopped: why"}, 1.0),
        "the last element is cut off": ({"structure": ["the last element is cut off"]}, 1.0),
        "FFmpeg complains": ({"complaint": "FFmpeg complains"}, 1.0),
    }
    for reason, (changes, coverage) in cases.items():
        judged = verdict(sound(**changes))
        assert (judged.status, judged.reason) == ("partial", reason)
        assert judged.coverage == pytest.approx(coverage)
    assert len(cases) == 11


def test_sound_may_end_a_file_but_only_where_it_is_there() -> None:
    assert verdict(sound(decoded_end=2.0, end_is_shared=True)).status == "complete"
    assert verdict(sound(decoded_end=2.0, end_is_shared=True, packets_end=2.1)).status == "partial"
    assert verdict(sound(decoded_end=2.0, end_is_shared=False)).status == "partial"


def test_complaints_of_damage_are_heard_and_others_not() -> None:
    complaints = Complaints()
    with complaints.heard():
        av.logging.log(16, "h264", "error while decoding MB 3 2, bytestream -5\n")
        av.logging.log(16, "h264", "error while decoding MB 3 2, bytestream -5\n")
        av.logging.log(16, "h264", "error while decoding MB 7 1, bytestream -9\n")
        av.logging.log(24, "mpegts", "Packet corrupt (stream = 0, dts = 12).")
        av.logging.log(24, "mov,mp4", "Multiple edit list entries, a/v desync might occur")
        av.logging.log(16, "aac", "This feature is not implemented. Update your FFmpeg version")
        av.logging.log(32, "h264", "corrupt, says a mere note")
    av.logging.log(16, "h264", "said when nobody listens")
    assert complaints.counts == {
        "h264: error while decoding MB # #, bytestream #": 3,
        "mpegts: Packet corrupt (stream = #, dts = #).": 1,
    }
    assert complaints.summary() == (
        "FFmpeg complains (h264: error while decoding MB # #, bytestream #) and 3 times more"
    )
    assert Complaints().summary() == ""


def test_listeners_in_several_threads_hear_their_own() -> None:
    level = av.logging.get_level()
    heard: dict[int, Complaints] = {k: Complaints() for k in range(4)}
    start = threading.Barrier(4)

    def work(k: int) -> None:
        start.wait()
        for _ in range(200):
            with heard[k].heard():
                av.logging.log(16, f"decoder{'abcd'[k]}", "invalid data")

    threads = [threading.Thread(target=work, args=(k,)) for k in heard]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [complaints.counts for complaints in heard.values()] == [{f"decoder{x}: invalid data": 200} for x in "abcd"]
    assert av.logging.get_level() == level
