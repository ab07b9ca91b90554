"""One video from a folder of pictures, as data sets publish their frames: joined, not encoded again."""

from fractions import Fraction
from pathlib import Path

from whenabouts.core.errors import InvalidData
from whenabouts.core.files import replacing
from whenabouts.media.opening import failures

ENDINGS = (".jpg", ".jpeg")


def pictures_in(folder: Path) -> list[Path]:
    """The JPEG pictures of a folder in order of the numbers in their names, then of the names."""
    found = [path for path in folder.iterdir() if path.suffix.lower() in ENDINGS and not path.name.startswith(".")]
    return sorted(found, key=lambda path: (int(path.stem) if path.stem.isdigit() else 0, path.name))


def join_pictures(pictures: list[Path], path: Path, *, rate: float) -> None:
    """Write JPEG pictures as the frames of a video (.mkv) at `rate` a second, bit by bit as they are; whole or not.

    Raises InvalidData where there is none, or one is no JPEG.
    """
    import av

    if not pictures:
        raise InvalidData(f"{path} needs at least one picture, but there is none. Give a folder of JPEG files.")
    base = Fraction(1) / Fraction(rate).limit_denominator(1001)
    first = pictures[0]
    try:
        with av.open(f"file:{first.absolute()}") as probe:
            width, height = probe.streams.video[0].width, probe.streams.video[0].height
    except failures() as error:
        raise InvalidData(f"{first} can't be read as a picture: {error}. Remove it, or mend it.") from None
    with replacing(path) as part, av.open(f"file:{part}", "w", format="matroska") as container:
        stream = container.add_stream("mjpeg", rate=1 / base)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuvj420p"
        for number, picture in enumerate(pictures):
            content = picture.read_bytes()
            if not content.startswith(b"\xff\xd8"):
                raise InvalidData(f"{picture} is no JPEG picture. Remove it, or convert it.")
            packet = av.Packet(content)
            packet.stream, packet.time_base = stream, base
            packet.pts = packet.dts = number
            packet.duration, packet.is_keyframe = 1, True
            container.mux(packet)
