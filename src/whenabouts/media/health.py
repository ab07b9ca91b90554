"""What a full decode noticed, and the verdict on the file."""

from dataclasses import dataclass, field

from whenabouts.core.video import Status

# A frame whose time is off its regular place by more than this share of a period, and by more than the milliseconds
# to which containers round, was moved.
_MOVED_SHARE, _ROUNDING_SECONDS = 0.06, 0.0025

# Only a clock as regular as this is expected to have no frame out of place.
_REGULAR_SHARE = 0.9


@dataclass(slots=True)
class Pulse:
    """Looks at the times of frames, streaming: does the clock run backwards, is a frame out of place?

    Where nearly all steps last one nominal period, a frame between two others that are two periods apart, or one,
    belongs into their middle, or nowhere: its time was changed.
    """

    period: float = 0.04
    regular: int = 0
    steps: int = 0
    moved: int = 0
    backward: int = 0
    _before: tuple[float, float] | None = None
    _last: float | None = None

    def beat(self, seconds: float) -> bool:
        """Take the next frame's time; False if it is not later than the last one's."""
        if self._last is not None:
            step = seconds - self._last
            if step <= 0:
                self.backward += 1
                return False
            self.steps += 1
            self.regular += self._near(step, 1)
            if self._before is not None:
                pair = seconds - self._before[0]
                self.moved += not self._near(step, 1) and (self._near(pair, 2) or self._near(pair, 1))
            self._before = (self._last, seconds)
        self._last = seconds
        return True

    @property
    def moved_frames(self) -> int:
        """Frames out of place on a clock that is otherwise regular."""
        return self.moved if self.steps and self.regular >= _REGULAR_SHARE * self.steps else 0

    def _near(self, step: float, periods: int) -> bool:
        return abs(step - periods * self.period) <= max(_MOVED_SHARE * self.period, _ROUNDING_SECONDS)


@dataclass(slots=True)
class Findings:
    """Counts and times gathered while a video is decoded; seconds are on the presentation clock.

    `declared_end` is when the pictures should end by the file's own word (0: it says nothing), `end_is_shared`
    whether sound may be what ends there, `declared_packets` how many packets there should be (0: unknown),
    `passing` whether reading stopped for a reason that lies outside the file, `one_to_one` whether each packet that
    is not hidden by an edit list must make one picture.
    """

    declared_end: float = 0.0
    end_is_shared: bool = False
    declared_packets: int = 0
    packets: int = 0
    shown_packets: int = 0
    one_to_one: bool = False
    frames: int = 0
    corrupt_frames: int = 0
    failed_packets: int = 0
    corrupt_packets: int = 0
    longest: float = 0.0
    decoded_end: float = 0.0
    packets_end: float = 0.0
    jumps: int = 0
    stopped: str = ""
    passing: bool = False
    complaint: str = ""
    structure: list[str] = field(default_factory=list)
    pulse: Pulse = field(default_factory=Pulse)

    @property
    def slack_seconds(self) -> float:
        """How far the decoded end may stay behind the declared one: last frames have no sure length."""
        return max(1.5 * self.pulse.period, self.longest) + 0.01

    @property
    def ends_early(self) -> bool:
        """Whether the pictures end clearly before the declared end."""
        return self.declared_end - self.decoded_end > self.slack_seconds


@dataclass(frozen=True, slots=True)
class Verdict:
    """Status, share of the declared time that was decoded undamaged, and why a file is not complete."""

    status: Status
    coverage: float
    reason: str


def verdict(found: Findings) -> Verdict:
    """Judge a file by what was noticed while it was decoded from start to end."""
    if found.frames == 0:
        reasons = [found.stopped or "no frame could be decoded", *found.structure, found.complaint]
        return Verdict("unreadable", 0.0, "; ".join(reason for reason in reasons if reason))
    reasons = _reasons(found)
    return Verdict("partial", _coverage(found), "; ".join(reasons)) if reasons else Verdict("complete", 1.0, "")


def _coverage(found: Findings) -> float:
    end = max(found.declared_end, found.decoded_end)
    reached = found.decoded_end / end if end > 0 and _cut_short(found) else 1.0
    packets = max(found.frames + found.failed_packets, 1)
    damaged = found.corrupt_frames + found.failed_packets + found.pulse.backward
    return max(0.0, reached * (1.0 - min(damaged, packets) / packets))


def _cut_short(found: Findings) -> bool:
    """Pictures may end before the file does where sound goes on to the declared end."""
    explained = found.end_is_shared and found.declared_end - found.packets_end <= found.slack_seconds
    return found.ends_early and not explained


def _reasons(found: Findings) -> list[str]:
    pulse = found.pulse
    told = (
        (bool(found.stopped), found.stopped),
        (_cut_short(found), f"decoded to {found.decoded_end:.2f} s of {found.declared_end:.2f} s"),
        (
            found.packets < found.declared_packets,
            f"{found.packets} packets where {found.declared_packets} are declared",
        ),
        (found.corrupt_frames > 0, f"{found.corrupt_frames} of {found.frames} frames are damaged"),
        (
            found.one_to_one and 0 <= found.failed_packets < found.shown_packets - found.frames,
            f"{found.shown_packets - found.frames} packets made no picture",
        ),
        (found.failed_packets > 0, f"{found.failed_packets} packets can't be decoded"),
        (found.corrupt_packets > 0, f"{found.corrupt_packets} packets are damaged"),
        (pulse.backward > 0, f"the clock runs backwards {pulse.backward} times"),
        (found.jumps > 0, f"the clock jumps {found.jumps} times: the pieces were put end to end"),
        (pulse.moved_frames > 0, f"{pulse.moved_frames} frames are out of place on a regular clock"),
    )
    return [text for wrong, text in told if wrong] + found.structure + ([found.complaint] if found.complaint else [])
