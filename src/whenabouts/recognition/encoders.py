"""Encoders that others published in Hugging Face's layout, as extraction takes a backbone: one feature per window.

Needs transformers, which only the extra `encoders` brings: it is imported where an encoder is loaded. Nothing that
comes with the weights is run: no pickles, no code of the publisher's.
"""

import contextlib
import dataclasses
import difflib
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from whenabouts import __version__
from whenabouts.config import load, read_toml, to_toml
from whenabouts.core.errors import InvalidData, ProjectError, SettingsError
from whenabouts.core.files import read_json, reading_folder, replacing_folder, write_json, write_text
from whenabouts.recognition.encoder_clips import EncoderClips
from whenabouts.recognition.encoder_families import ENCODER_FAMILIES, EncoderFamily
from whenabouts.recognition.encoder_files import EXTRA, EncoderFiles, encoder_files, is_encoder
from whenabouts.recognition.encoder_preparation import EncoderSettings, clips_of
from whenabouts.recognition.window_encoder import Vectors, WindowForm, windows_taken
from whenabouts.training.devices import Compute


class EncoderNet(nn.Module):
    """A loaded model as a net for clips: (B, 3, T, H, W) -> features (B, `width`), float32."""

    def __init__(self, model: nn.Module, forward: Callable[[Any, Tensor], Tensor], width: int) -> None:
        super().__init__()
        self.model = model
        self.width = width
        self._features = forward

    def forward(self, clips: Tensor) -> Tensor:
        """Clips (B, 3, T, H, W), as `EncoderClips.test` makes them -> features (B, width)."""
        return self._features(self.model, clips).float()


@dataclass(frozen=True)
class Encoder:
    """A published encoder: its net, the clips that it takes, where it comes from.

    `clips` says how pictures become tensors. `checksum` is over the weights' files and all that decides the features;
    `unused` names weights of the files that the net has no use for.
    """

    clips: EncoderClips
    net: EncoderNet
    files: EncoderFiles
    family: EncoderFamily
    digests: Mapping[str, str]
    checksum: str
    unused: tuple[str, ...]

    @property
    def width(self) -> int:
        """Numbers per feature (D)."""
        return self.net.width

    @property
    def source(self) -> str:
        """Name and checksum, as features carry it: `name@checksum`."""
        return f"{self.files.name}@{self.checksum}"

    @property
    def modality(self) -> str:
        """The stream of features that it makes: the kind of model, such as "clip"."""
        return self.clips.modality

    @property
    def form(self) -> WindowForm:
        """The windows that it takes; those that are filled up with black are of one size."""
        filled = self.clips.crop is not None and self.clips.decoded_crop is None
        own = self.clips.form
        return dataclasses.replace(own, one_size=self.family.one_size or filled, one_length=self.family.fixed)

    def vectors_on(self, compute: Compute) -> Vectors:
        """A function from pictures (B, F, H, W, 3) uint8 to features (B, D) float32 on a device."""
        net = compute.place_net(self.net).eval()

        def forward(windows: NDArray[Any]) -> NDArray[np.float32]:
            clips = self.clips.test(torch.from_numpy(windows).to(compute.device))
            with torch.inference_mode(), compute.autocast(), windows_taken(self.source):
                features: NDArray[np.float32] = net(clips).cpu().numpy()
            return features

        return forward

    def save(self, folder: Path, *, card: Mapping[str, Any] | None = None) -> None:
        """Write which encoder it is, where its files are, and its source: weights stay where they are."""
        how = {"from": str(self.files.folder) if self.files.local else self.files.name,
               "frames": self.clips.frames, "rate": self.clips.rate}  # fmt: skip
        with replacing_folder(folder) as part:
            write_text(part / "settings.toml", to_toml({"encoder": how}))
            write_json(part / "card.json", {**self.card(), **(card or {})})

    def card(self) -> dict[str, Any]:
        """What is known of it, as plain JSON values; "" where its files do not say."""
        return {
            "kind": "backbone",
            "version": __version__,
            "name": self.files.name,
            "source": self.source,
            "address": self.files.address,
            "licence": self.files.licence,
            "model": type(self.net.model).__name__,
            "width": self.width,
            "modality": self.modality,
            "window_seconds": self.clips.form.window_seconds,
            "preprocessing": self.clips.identity(),
            "weights": dict(self.digests),
            "unused": len(self.unused),
        }


def saved_encoder(folder: Path) -> Encoder:
    """The encoder that `Encoder.save` noted in a folder; InvalidData where its files have changed since."""
    with reading_folder(folder) as there:
        told, card = read_toml(there / "settings.toml").get("encoder", {}), read_json(there / "card.json")
    if not isinstance(told, dict) or not isinstance(told.get("from"), str):
        raise InvalidData(f"{folder / 'settings.toml'} names no encoder. Take it again (--backbone).")
    how = load(EncoderSettings, {key: told[key] for key in ("frames", "rate") if key in told}, f"{folder} [encoder]")
    if not is_encoder(told["from"]):
        raise ProjectError(
            f"{folder} notes an encoder in {told['from']}, but it is not there any more. Put it back, or go on with "
            "other streams (--modality)."
        )
    encoder = load_encoder(told["from"], how)
    if encoder.source != card.get("source"):
        raise InvalidData(
            f"{folder} was made with {card.get('source')}, but at {told['from']} there is {encoder.source} now. "
            f"Put the old files back, or remove {folder} and take the encoder again (--backbone)."
        )
    return encoder


def load_encoder(
    name: str,
    how: EncoderSettings | None = None,
    *,
    words: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Encoder:
    """An encoder from a folder in Hugging Face's layout, or from its name on the hub.

    With `words` the part that reads texts is kept, for scores by name. Raises SettingsError where transformers is not
    installed, for a kind of model that is not among `ENCODER_FAMILIES` and for `frames` that it can't take,
    ProjectError for what is missing and has to be put where, InvalidData for files that are refused.
    """
    transformers = _transformers()
    how = how or EncoderSettings()
    files = encoder_files(name, say=say)
    config = files.config()
    kind = str(config.get("model_type"))
    family = _family(kind, files)
    model, unused, forward = _loaded(transformers, files, family, config)
    clips = clips_of(files, family, model.config, kind, how)
    if not words and hasattr(model, "text_model"):
        del model.text_model
    net = EncoderNet(model.eval().requires_grad_(False), forward, family.width(model.config))
    digests = files.digest()
    identity = json.dumps([clips.identity(), type(model).__name__, transformers.__version__], sort_keys=True)
    return Encoder(clips, net, files, family, digests, files.checksum(digests, identity), unused)


def _transformers() -> Any:
    try:
        import transformers
    except ImportError as error:
        raise SettingsError(
            f"Encoders of Hugging Face's hub need transformers, which is not there ({error}). Install it with: {EXTRA}"
        ) from None
    return transformers


def _family(kind: str, files: EncoderFiles) -> EncoderFamily:
    if kind in ENCODER_FAMILIES:
        return ENCODER_FAMILIES[kind]
    near = difflib.get_close_matches(kind, ENCODER_FAMILIES, n=1)
    hint = f"The nearest is {near[0]!r}. " if near else ""
    raise SettingsError(
        f"{files.folder / 'config.json'} is of a model_type {kind!r}, which is not read here. {hint}"
        f"Choose one of: {', '.join(ENCODER_FAMILIES)}."
    )


def _loaded(
    transformers: Any, files: EncoderFiles, family: EncoderFamily, config: Mapping[str, Any]
) -> tuple[Any, tuple[str, ...], Callable[[Any, Tensor], Tensor]]:
    """The model with all its weights at float32, the names of those it has no use for, and where its feature is."""
    named_ones = config.get("architectures")
    classifies = isinstance(named_ones, list) and family.classifier in named_ones and family.classified is not None
    named = family.classifier if classifies else family.model
    maker = getattr(transformers, named, None)
    if maker is None:
        raise SettingsError(f"transformers {transformers.__version__} has no {named}. Install a newer one: {EXTRA}")
    with _quiet(transformers):
        try:
            model, told = maker.from_pretrained(
                str(files.folder),
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                dtype=torch.float32,
                output_loading_info=True,
            )
        except Exception as error:  # transformers raises many kinds; none has run anything that the files hold.
            reason = " ".join(str(error).split())[:300] or type(error).__name__
            raise InvalidData(f"{files.folder} can't be read as {named} ({reason}).") from None
    files.check_numbers()
    _check_weights(model, told, family, files)
    forward = family.classified if classifies and family.classified is not None else family.forward
    return model, tuple(sorted(told["unexpected_keys"])), forward


def _check_weights(model: Any, told: Mapping[str, Any], family: EncoderFamily, files: EncoderFiles) -> None:
    """Raise InvalidData where weights are missing, of another shape or not finite; `told` is transformers' word."""
    missing = sorted(name for name in told["missing_keys"] if not name.startswith(family.optional))
    if missing or told.get("mismatched_keys"):
        odd = missing or sorted(str(key) for key in told["mismatched_keys"])
        raise InvalidData(
            f"{files.folder} does not hold all weights of {type(model).__name__}: {len(odd)} are missing or of "
            f"another shape (first: {odd[0]}). With random ones in their place its features would say nothing."
        )
    for name, tensor in itertools.chain(model.named_parameters(), model.named_buffers()):
        if not tensor.isfinite().all() and name not in missing:
            raise InvalidData(f"{files.folder}: {name} holds values that are not finite. The file is damaged.")


@contextlib.contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """transformers tells of loading in its log and on a bar; what matters of it is in the encoder's card."""
    log = transformers.utils.logging
    verbosity, bar = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(verbosity)
        if bar:
            log.enable_progress_bar()
