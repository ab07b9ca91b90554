"""Scores of concepts that nobody labelled: how well pictures and names go together, by an encoder that read both.

The encoder's features and the words of each concept lie in one space (CLIP, SigLIP, VideoPrism, X-CLIP); their cosine,
times the encoder's own scale, is the score. X-CLIP as published also bends the words to each video, which is not done
here; VideoPrism has no scale of its own, and is given CLIP's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from whenabouts.core.errors import FeatureMismatch, InvalidData, SettingsError
from whenabouts.core.features import FeatureSequence
from whenabouts.core.scores import ScoreSequence
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.recognition.encoders import Encoder

PROMPT, BACKGROUND = "a video of {}", "a video"
CLIP_SCALE = 100.0
_TOKENIZERS = ("tokenizer.json", "vocab.json", "vocab.txt")
_TINY = 1e-12


@dataclass(frozen=True)
class ZeroShot:
    """The words of a vocabulary in an encoder's space: vectors (L, D) of length 1.

    With a `bias`, names are judged one by one, as SigLIP was trained: sigmoid(scale x cosine + bias). Without one they
    are judged against each other and against `background`, the vector (D,) of words that say nothing of what is seen:
    softmax(scale x cosine). `source` is the encoder's: features of others do not go with these words.
    """

    vocabulary: Vocabulary
    vectors: NDArray[np.float32]
    background: NDArray[np.float32]
    scale: float
    bias: float | None
    source: str

    @classmethod
    def of(cls, encoder: Encoder, vocabulary: Vocabulary, *, prompt: str = PROMPT) -> Self:
        """Encode each concept's description, or its name in a `prompt`, with an encoder that was loaded with `words`.

        Raises SettingsError for an encoder without words, InvalidData where its tokenizer's files are missing.
        """
        if not encoder.family.text:
            raise SettingsError(
                f"{encoder.source} has read no words. Zero-shot scores need CLIP, SigLIP, VideoPrism or X-CLIP."
            )
        texts = [said or prompt.format(name) for name, said in _described(vocabulary)]
        vectors = _units(_encoded(encoder, [*texts, BACKGROUND]))
        model: Any = encoder.net.model
        scale = float(model.logit_scale.detach().exp()) if hasattr(model, "logit_scale") else CLIP_SCALE
        bias = float(model.logit_bias.detach()) if hasattr(model, "logit_bias") else None
        return cls(vocabulary, vectors[:-1], vectors[-1], scale, bias, encoder.source)

    def scores(self, features: FeatureSequence) -> ScoreSequence:
        """Scores (T, L) in [0, 1] of the features of one video, and their mean over time as those of the video."""
        if features.width != self.vectors.shape[1] or not features.source.startswith(self.source):
            raise FeatureMismatch(
                f"{features.video_id}: these features are {features.width} wide, from {features.source}, but the words "
                f"are {self.vectors.shape[1]} wide, from {self.source}. Extract with that encoder (--backbone)."
            )
        units = _units(np.asarray(features.values, np.float32))
        energies = self.scale * units @ self.vectors.T
        if self.bias is None:
            every = np.concatenate([energies, self.scale * (units @ self.background)[:, None]], axis=1)
            powers = np.exp(every - every.max(axis=1, keepdims=True))
            values = (powers / powers.sum(axis=1, keepdims=True))[:, :-1]
        else:
            values = 0.5 * (1 + np.tanh((energies + self.bias) / 2))
        whole = values.mean(axis=0) if len(values) else np.zeros(len(self.vocabulary))
        return ScoreSequence(
            features.video_id, values.astype(np.float32), whole.astype(np.float32), features.grid, self.vocabulary
        )


def _described(vocabulary: Vocabulary) -> list[tuple[str, str]]:
    return [(name, vocabulary.descriptions.get(name, "")) for name in vocabulary.names]


def _tokenizer(folder: Path) -> Any:
    """The publisher's own tokenizer; InvalidData where its files are missing or can't be read."""
    import transformers

    if not any((folder / name).is_file() for name in _TOKENIZERS) and not list(folder.glob("*.model")):
        # transformers would go on with a tokenizer of its own, which knows none of the words.
        raise InvalidData(
            f"{folder} has no tokenizer. Put the publisher's tokenizer.json and tokenizer_config.json there."
        )
    try:
        return transformers.AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    except Exception as error:  # transformers raises many kinds; none has run anything that the files hold.
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InvalidData(
            f"{folder} has no tokenizer that can be read ({reason}). Put the publisher's tokenizer.json and "
            "tokenizer_config.json there."
        ) from None


def _encoded(encoder: Encoder, texts: Sequence[str]) -> NDArray[np.float32]:
    """Vectors (N, D) of texts; InvalidData where the tokenizer can't tell them apart."""
    folder = encoder.files.folder
    tokenizer = _tokenizer(folder)
    model: Any = encoder.net.model
    longest = getattr(getattr(model.config, "text_config", None), "max_position_embeddings", 64)
    # SigLIP was trained with texts filled up to their full length, and without a mask over what was filled.
    siglip = hasattr(model, "logit_bias")
    filled = "max_length" if siglip else True
    given = tokenizer(list(texts), padding=filled, truncation=True, max_length=longest, return_tensors="pt")
    device = next(model.parameters()).device
    names = ("input_ids",) if siglip else ("input_ids", "attention_mask")
    rows = {tuple(row) for row in given["input_ids"].tolist()}
    if len(rows) < len(set(texts)):
        raise InvalidData(
            f"The tokenizer in {folder} reads {len(set(texts))} different texts as {len(rows)}, so their scores would "
            "be the same. Put the publisher's own tokenizer there, or describe the concepts in the encoder's language."
        )
    wanted = {name: given[name].to(device) for name in names if name in given}
    with torch.inference_mode():
        vectors: NDArray[np.float32] = model.get_text_features(**wanted).pooler_output.float().cpu().numpy()
    return vectors


def _units(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    units: NDArray[np.float32] = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), _TINY)
    return units
