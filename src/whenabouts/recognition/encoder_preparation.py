"""What a published encoder's windows hold: its preprocessor's file, checked against what its net can take."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from whenabouts.config import settings
from whenabouts.core.errors import InvalidData, SettingsError
from whenabouts.recognition.encoder_clips import EncoderClips, Patches, Whole, read_clips
from whenabouts.recognition.encoder_families import EncoderFamily
from whenabouts.recognition.encoder_files import EncoderFiles


@settings
class EncoderSettings:
    """What a window of an encoder holds, where that is not left to the encoder: `frames` at `rate` a second.

    Left out, `frames` is what the encoder was trained with (1 for those of pictures, whose features are the mean over a
    window's pictures), and `rate` that of its publisher or, where none is stated, the choice of `ENCODER_FAMILIES`.
    """

    frames: Annotated[int, Field(ge=1)] | None = None
    rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None


def clips_of(files: EncoderFiles, family: EncoderFamily, config: Any, kind: str, how: EncoderSettings) -> EncoderClips:
    """The clips of a model of this `kind` and config: its preprocessor's values, and `how` where that says otherwise.

    Raises SettingsError for frames that the net can't take, InvalidData for pictures that it can't.
    """
    if how.frames is not None and family.fixed and how.frames != family.frames(config):
        raise SettingsError(
            f"{files.name} takes {family.frames(config)} frames, but encoder.frames is {how.frames}. Leave it out."
        )
    own = family.frames(config)
    tubelet = getattr(config, "tubelet_size", 1) if kind == "vjepa2" else 1
    if how.frames is not None and how.frames % tubelet:
        raise SettingsError(f"{files.name} takes a multiple of {tubelet} frames, but encoder.frames is {how.frames}.")
    stated = files.preprocessor(video=family.video)
    told = {**family.defaults, **{key: value for key, value in stated.items() if value is not None}}
    if kind == "vjepa2":  # Its preprocessor overrules what its file says of `size`.
        told["size"] = {"shortest_edge": int(_side(told["crop_size"], files) * 256 / 224)}
    fps = told.get("fps")
    rate = how.rate or (float(fps) if isinstance(fps, int | float) and fps > 0 else family.rate)
    clips = read_clips(told, modality=kind, frames=how.frames or own, rate=rate)
    if family.one_size:
        _check_size(clips, files, config)
    if isinstance(clips.size, Patches) and clips.size.side != config.vision_config.patch_size:
        raise InvalidData(
            f"{files.folder}: its net takes patches of {config.vision_config.patch_size} pixels, but its "
            f"preprocessor's file makes such of {clips.size.side}."
        )
    return clips


def _check_size(clips: EncoderClips, files: EncoderFiles, config: Any) -> None:
    """Nets whose positions are learned, or counted on the config's own grid, take pictures of one size."""
    seen = getattr(config, "vision_config", config)
    side = getattr(seen, "crop_size", None) or getattr(seen, "image_size", None)
    wanted = (side, side) if isinstance(side, int) else tuple(side or ())
    made = clips.crop or (clips.size.of(1, 1) if isinstance(clips.size, Whole) else None)
    if made != wanted:
        raise InvalidData(
            f"{files.folder}: its net takes pictures of {wanted}, but its preprocessor's file makes {made}."
        )


def _side(size: Any, files: EncoderFiles) -> int:
    try:
        return int(size["height"]) if isinstance(size, Mapping) else int(size)
    except (KeyError, TypeError, ValueError):
        raise InvalidData(f"{files.folder}: the preprocessor's crop_size is {size!r}, not a side or two.") from None
