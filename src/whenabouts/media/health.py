"""What a full decode noticed, and the verdict on the file."""

from dataclasses import dataclass, field
from fractions import Fraction

from whenabouts.core.video import Status


@dataclass(slots=True)
class Findings:
    """Counts and times gathered while a video is decoded; seconds are on the presentation clock.

    `declared_end` is when the pictures should end by the file's own word (0: it says nothing), `packets_end` when the
    last packet of any stream ends, `period` the nominal time between frames.
    """

    declared_end: float = 0.0
    end_is_shared: bool = False
    declared_frames: int = 0
    period: float = 0.04
    frames: int = 0
    corrupt_frames: int = 0
    failed_packets: int = 0
    corrupt_packets: int = 0
    backward_steps: int = 0
    first_seconds: float = 0.0
    decoded_end: float = 0.0
    packets_end: float = 0.0
    gaps_seconds: float = 0.0
    stopped: str = ""
    complaints: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Status, share of the declared time that was decoded, and why a file is not complete."""

    status: Status
    coverage: float
    reason: str


def verdict(found: Findings) -> Verdict:
    """Judge a fully decoded file by what was noticed on the way."""
    if found.frames == 0:
        return Verdict("unreadable", 0.0, found.stopped or "no frame could be decoded")
    reasons = list(_reasons(found))
    if not reasons:
        return Verdict("complete", 1.0, "")
    return Verdict("partial", _coverage(found), "; ".join(reasons))


def slack_seconds(found: Findings) -> float:
    """How far the decoded end may stay behind the declared one: rounding of containers, half-shown last frames."""
    return 1.5 * found.period + 0.01


def _coverage(found: Findings) -> float:
    end = max(found.declared_end, found.decoded_end)
    shown = found.decoded_end - min(found.gaps_seconds, found.decoded_end)
    good = 1.0 - found.corrupt_frames / max(1, found.frames)
    return min(1.0, max(0.0, shown / end if end > 0 else 1.0)) * good


def _reasons(found: Findings) -> list[str]:
    reasons = []
    if found.stopped:
        reasons.append(found.stopped)
    reached = max(found.decoded_end, found.packets_end) if found.end_is_shared else found.decoded_end
    if found.declared_end - reached > slack_seconds(found):
        reasons.append(f"decoded to {found.decoded_end:.2f} s of {found.declared_end:.2f} s")
    if found.corrupt_frames:
        reasons.append(f"{found.corrupt_frames} of {found.frames} frames are damaged")
    if found.failed_packets or found.corrupt_packets:
        reasons.append(f"{found.failed_packets + found.corrupt_packets} packets are damaged")
    if found.backward_steps:
        reasons.append(f"the clock runs backwards {found.backward_steps} times")
    return reasons


def seconds(ticks: int, time_base: Fraction, zero: Fraction) -> float:
    """Ticks of a stream -> seconds on the presentation clock, rounded once."""
    return float(ticks * time_base - zero)
