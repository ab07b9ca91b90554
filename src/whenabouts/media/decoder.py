"""Packets to frames, with the decoder that notices most."""

import contextlib
from typing import TYPE_CHECKING, Any, cast

from whenabouts.media.complaints import Complaints
from whenabouts.media.health import Findings
from whenabouts.media.opening import failures
from whenabouts.media.scaling import Upright

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.codeccontext import VideoCodecContext
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

# FFmpeg's own VP9 decoder takes damaged pictures as they come; libvpx refuses a picture whose bits are not used up
# to the end. Both give the same pixels for an undamaged file.
_MORE_CAREFUL = {"vp9": "libvpx-vp9"}

# Verify checksums inside streams, and look at what decoders pass over for speed; a picture of more pixels is a lie.
_CHECKS = {"err_detect": "crccheck+bitstream+buffer+careful", "max_pixels": str(16384 * 8192)}

# Here each packet makes exactly one picture, by the rules of the codec and of these containers.
_ONE_TO_ONE = frozenset({"h264", "hevc", "libdav1d"})
_FRAMING = frozenset({"mov", "matroska"})


def _has_eight_bits(stream: "VideoStream") -> bool:
    """The libvpx that comes with PyAV can do no more."""
    form = stream.codec_context.format
    return form is not None and all(component.bits == 8 for component in form.components)


class Decoder:
    """Decodes the packets of one video stream and writes down what it notices.

    With one thread FFmpeg's complaints are heard; with more (0: FFmpeg chooses) it is faster and less is noticed.
    """

    def __init__(self, stream: "VideoStream", findings: Findings, complaints: Complaints, threads: int = 1) -> None:
        self._stream, self.found, self._complaints = stream, findings, complaints
        self._listening = threads == 1
        self.upright: Upright | None = None
        self._context = stream.codec_context
        self._careful = self._context.name in _MORE_CAREFUL and _has_eight_bits(stream)
        findings.one_to_one = self._context.name in _ONE_TO_ONE and bool(
            _FRAMING & set(stream.container.format.name.split(","))
        )
        self._context.options = dict(_CHECKS)
        self._context.thread_type = "NONE" if threads == 1 else "AUTO"
        self._context.thread_count = threads

    def __call__(self, packet: "Packet[Any]") -> "list[VideoFrame]":
        """Frames that are ready; an empty list where the packet can't be decoded. The last packet is empty."""

        found = self.found
        found.corrupt_packets += packet.is_corrupt
        found.shown_packets += packet.size > 0 and not packet.is_discard
        try:
            frames = self._heard(packet)
        except failures() as error:
            found.failed_packets += 1
            found.passing |= isinstance(error, MemoryError)
            return []
        for frame in frames:
            found.frames += 1
            found.corrupt_frames += frame.is_corrupt
            found.one_to_one &= not frame.interlaced_frame  # two fields may come in two packets
        return frames

    def _heard(self, packet: "Packet[Any]") -> "list[VideoFrame]":
        if not self._listening:
            return self._decoded(packet)
        with self._complaints.heard():
            return self._decoded(packet)

    def _decoded(self, packet: "Packet[Any]") -> "list[VideoFrame]":
        if self._careful:
            self._change_over(packet)
        return self._context.decode(packet)

    def _change_over(self, packet: "Packet[Any]") -> None:
        """Only FFmpeg's own decoder knows how the container turns pictures: its first frame says so."""
        import av

        self._careful = False
        try:
            careful = cast("VideoCodecContext", av.CodecContext.create(_MORE_CAREFUL[self._context.name], "r"))
        except failures():
            return
        with contextlib.suppress(*failures()):
            first = self._context.decode(packet) or self._context.decode(None)
            self.upright = Upright.of(first[0]) if first else None
        careful.options = dict(_CHECKS)
        careful.extradata, careful.thread_count = self._context.extradata, self._context.thread_count
        self._context = careful
