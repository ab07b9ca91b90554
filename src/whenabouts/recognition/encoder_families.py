"""The families of published encoders: which class of transformers loads each, what it is fed, where its feature is.

Frames, sizes and colours come from a checkpoint's own files. What stands here is what those files leave out: the values
that transformers' preprocessors have by default, and the rate of pictures, which no file states.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

_IMAGENET = {"image_mean": (0.485, 0.456, 0.406), "image_std": (0.229, 0.224, 0.225)}
_HALF = {"image_mean": (0.5, 0.5, 0.5), "image_std": (0.5, 0.5, 0.5)}
_CLIP = {
    "image_mean": (0.48145466, 0.4578275, 0.40821073),
    "image_std": (0.26862954, 0.26130258, 0.27577711),
    "size": {"shortest_edge": 224},
    "crop_size": {"height": 224, "width": 224},
    "do_center_crop": True,
}
_DINO = {**_IMAGENET, "size": {"height": 224, "width": 224}, "resample": 2}

Forward = Callable[[Any, Tensor], Tensor]


@dataclass(frozen=True)
class EncoderFamily:
    """One `model_type` of config.json.

    `model` is transformers' class, `classifier` the one for checkpoints trained to classify, whose features are what
    its classifier sees. `forward` and `classified` take the model and clips (B, C, T, H, W) and give features (B, D);
    `width` reads D, `frames` the clip's length from the config. `rate` is in pictures a second. `defaults` are the
    preprocessor's. `text` says that the model compares with words, and `video` that it was made for clips, so that a
    file of its video preprocessor counts before one for pictures; `fixed` that it takes no other number of frames,
    `one_size` no other size of pictures. `optional` begins the names of weights that a file may lack, for no feature
    depends on them.
    """

    model: str
    forward: Forward
    width: Callable[[Any], int]
    frames: Callable[[Any], int]
    rate: float
    defaults: Mapping[str, Any] = field(default_factory=dict)
    classifier: str = ""
    classified: Forward | None = None
    text: bool = False
    video: bool = False
    fixed: bool = False
    one_size: bool = False
    optional: tuple[str, ...] = ()


def _frames_first(clips: Tensor) -> Tensor:
    """(B, C, T, H, W) -> (B, T, C, H, W)."""
    return clips.transpose(1, 2)


def _each(clips: Tensor, encode: Callable[[Tensor], Tensor]) -> Tensor:
    """The mean over its pictures of what `encode` makes of each (N, C, H, W): (B, D)."""
    vectors = encode(_frames_first(clips).flatten(0, 1))
    return vectors.reshape(len(clips), -1, vectors.shape[1]).mean(1, dtype=torch.float32)


def _vjepa2(model: Any, clips: Tensor) -> Tensor:
    tokens: Tensor = model(pixel_values_videos=_frames_first(clips), skip_predictor=True).last_hidden_state
    return tokens.mean(1, dtype=torch.float32)


def _vjepa2_classified(model: Any, clips: Tensor) -> Tensor:
    found = model.vjepa2(pixel_values_videos=_frames_first(clips), skip_predictor=True)
    pooled: Tensor = model.pooler(found.last_hidden_state)
    return pooled


def _videomae(model: Any, clips: Tensor) -> Tensor:
    tokens: Tensor = model(pixel_values=_frames_first(clips)).last_hidden_state
    return tokens.mean(1, dtype=torch.float32)


def _videomae_classified(model: Any, clips: Tensor) -> Tensor:
    tokens: Tensor = model.videomae(_frames_first(clips)).last_hidden_state
    if model.fc_norm is None:
        return tokens[:, 0]
    normed: Tensor = model.fc_norm(tokens.mean(1))
    return normed


def _videoprism_vision(model: Any, clips: Tensor) -> Tensor:
    tokens: Tensor = model(pixel_values_videos=_frames_first(clips)).last_hidden_state
    return tokens.mean(1, dtype=torch.float32)


def _videoprism(model: Any, clips: Tensor) -> Tensor:
    pooled: Tensor = model.get_video_features(pixel_values_videos=_frames_first(clips)).pooler_output
    return pooled.reshape(len(clips), -1)


def _xclip(model: Any, clips: Tensor) -> Tensor:
    pooled: Tensor = model.get_video_features(pixel_values=_frames_first(clips)).pooler_output
    return pooled


def _image_text(model: Any, clips: Tensor) -> Tensor:
    return _each(clips, lambda pictures: model.get_image_features(pixel_values=pictures).pooler_output)


def _pooled(model: Any, clips: Tensor) -> Tensor:
    return _each(clips, lambda pictures: model(pixel_values=pictures).pooler_output)


def _siglip2(model: Any, clips: Tensor) -> Tensor:
    """SigLIP 2 of any picture's shape (NaFlex): the same patches as Hugging Face's preprocessor cuts, none padded."""
    side = model.config.vision_config.patch_size

    def encode(pictures: Tensor) -> Tensor:
        count, _, height, width = pictures.shape
        rows, columns = height // side, width // side
        if not rows or not columns:
            raise ValueError(f"pictures of {height} x {width} pixels hold no patch of {side}")
        # Preprocessors make whole patches; of other sizes the last pixels are left out, as convolutions of patches do.
        cut = pictures[..., : rows * side, : columns * side]
        cut = cut.reshape(count, -1, rows, side, columns, side).permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)
        shapes = torch.tensor([[rows, columns]] * count, device=pictures.device)
        mask = torch.ones(count, rows * columns, dtype=torch.int32, device=pictures.device)
        found = model.get_image_features(pixel_values=cut, pixel_attention_mask=mask, spatial_shapes=shapes)
        vectors: Tensor = found.pooler_output
        return vectors

    return _each(clips, encode)


def _one(config: Any) -> int:
    return 1


_PICTURES: dict[str, Any] = {"frames": _one, "rate": 2.0}

ENCODER_FAMILIES: Mapping[str, EncoderFamily] = MappingProxyType(
    {
        # 4 pictures a second: `fps` in the training configurations of facebookresearch/vjepa2. Its rotary positions are
        # counted on a grid of the config's `crop_size`: pictures of another size would be numbered wrongly, in silence.
        "vjepa2": EncoderFamily(
            "VJEPA2Model",
            _vjepa2,
            lambda config: int(config.hidden_size),
            lambda config: int(config.frames_per_clip),
            4.0,
            {**_IMAGENET, "crop_size": 256, "do_center_crop": True, "resample": 2},
            classifier="VJEPA2ForVideoClassification",
            classified=_vjepa2_classified,
            video=True,
            one_size=True,
            optional=("predictor.", "vjepa2.predictor."),
        ),
        # Every 4th picture, as Tong et al. (NeurIPS 2022) take from Kinetics; that it has 30 a second is our choice.
        "videomae": EncoderFamily(
            "VideoMAEModel",
            _videomae,
            lambda config: int(config.hidden_size),
            lambda config: int(config.num_frames),
            7.5,
            {**_CLIP, **_HALF, "resample": 2},
            classifier="VideoMAEForVideoClassification",
            classified=_videomae_classified,
            video=True,
            fixed=True,
            one_size=True,
        ),
        # Its publishers sample a clip of whatever length evenly: 16 pictures over 4 seconds are our choice.
        "videoprism_vision_model": EncoderFamily(
            "VideoPrismVisionModel",
            _videoprism_vision,
            lambda config: int(config.hidden_size),
            lambda config: int(config.num_frames),
            4.0,
            {"size": {"height": 288, "width": 288}, "do_normalize": False},
            video=True,
            fixed=True,
            one_size=True,
        ),
        "videoprism": EncoderFamily(
            "VideoPrismClipModel",
            _videoprism,
            lambda config: int(config.vision_config.hidden_size),
            lambda config: int(config.vision_config.num_frames),
            4.0,
            {"size": {"height": 288, "width": 288}, "do_normalize": False},
            text=True,
            video=True,
            fixed=True,
            one_size=True,
        ),
        # Trained on pictures spread over whole videos of 10 s: 8 of them over 4 seconds are our choice.
        "xclip": EncoderFamily(
            "XCLIPModel",
            _xclip,
            lambda config: int(config.projection_dim),
            lambda config: int(config.vision_config.num_frames),
            2.0,
            _CLIP,
            text=True,
            video=True,
            fixed=True,
            one_size=True,
        ),
        "clip": EncoderFamily(
            "CLIPModel",
            _image_text,
            lambda config: int(config.projection_dim),
            defaults=_CLIP,
            text=True,
            one_size=True,
            **_PICTURES,
        ),
        "siglip": EncoderFamily(
            "SiglipModel",
            _image_text,
            lambda config: int(config.vision_config.hidden_size),
            defaults={**_HALF, "size": {"height": 224, "width": 224}},
            text=True,
            one_size=True,
            **_PICTURES,
        ),
        "siglip2": EncoderFamily(
            "Siglip2Model",
            _siglip2,
            lambda config: int(config.vision_config.hidden_size),
            defaults={**_HALF, "patch_size": 16, "max_num_patches": 256, "resample": 2},
            text=True,
            **_PICTURES,
        ),
        "dinov2": EncoderFamily("Dinov2Model", _pooled, lambda c: int(c.hidden_size), defaults=_CLIP, **_PICTURES),
        "dinov2_with_registers": EncoderFamily(
            "Dinov2WithRegistersModel",
            _pooled,
            lambda config: int(config.hidden_size),
            defaults=_CLIP,
            **_PICTURES,
        ),
        "dinov3_vit": EncoderFamily(
            "DINOv3ViTModel", _pooled, lambda c: int(c.hidden_size), defaults=_DINO, **_PICTURES
        ),
        "dinov3_convnext": EncoderFamily(
            "DINOv3ConvNextModel", _pooled, lambda c: int(c.hidden_sizes[-1]), defaults=_DINO, **_PICTURES
        ),
    }
)
