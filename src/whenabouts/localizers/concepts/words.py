"""Classes by what is written about them: bags of words, text embeddings, and their strongest directions."""

import os
import re

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.errors import SettingsError
from whenabouts.core.timing import FloatArray
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.localizers.segments import Matrix

ENCODER = "WHENABOUTS_TEXT_ENCODER"
_MOST_WORDS = 4096
_DENSE = 500  # rows and columns up to which the whole decomposition is quick


def texts_of(vocabulary: Vocabulary) -> list[str]:
    """Name, parent and description of each class, as one text."""
    return [
        " ".join(filter(None, (name, vocabulary.parents.get(name), vocabulary.descriptions.get(name))))
        for name in vocabulary.names
    ]


def word_vectors(vocabulary: Vocabulary) -> Matrix:
    """Bags of words (C, W) of the classes' texts: see `weighed_words`."""
    return weighed_words(vocabulary)[1]


def weighed_words(vocabulary: Vocabulary) -> tuple[tuple[str, ...], Matrix]:
    """Words (W,), and bags of them (C, W) of the classes' texts, weighed by TF-IDF, of length 1 (0 without a word).

    Words that only one class uses tell nothing about likeness and are left out; of more than 4,096 the most frequent
    stay. Where no word is shared there is one column of zeros, of the word "".
    """
    bags = [re.findall(r"\w+", text.casefold()) for text in texts_of(vocabulary)]
    users: dict[str, int] = {}
    for bag in bags:
        for word in sorted(set(bag)):
            users[word] = users.get(word, 0) + 1
    shared = sorted((word for word, count in users.items() if count > 1), key=lambda word: (-users[word], word))
    words = tuple(shared[:_MOST_WORDS])
    place = {word: number for number, word in enumerate(words)}
    counts = np.zeros((len(bags), max(1, len(place))), np.float32)
    for row, bag in enumerate(bags):
        for word in bag:
            if word in place:
                counts[row, place[word]] += 1
    rarity = np.log((1 + len(bags)) / (1 + np.array([users[word] for word in place] or [1]))) + 1
    weighed = np.log1p(counts) * rarity
    lengths = np.linalg.norm(weighed, axis=1, keepdims=True)
    units: Matrix = (weighed / np.maximum(lengths, 1e-12)).astype(np.float32)
    return words or ("",), units


def cosines(vectors: Matrix) -> Matrix:
    """Cosines (C, C) of rows of length 1 or 0."""
    near: Matrix = vectors @ vectors.T
    return near


def reduced(vectors: NDArray[np.floating], width: int) -> Matrix:
    """Rows (C, W) in their `width` strongest directions, each with its largest entry above 0, so that it is one way."""
    rows = vectors.astype(np.float64)
    if min(rows.shape) > _DENSE:
        from scipy.sparse.linalg import svds

        left, sizes, _ = svds(rows, k=width, v0=np.ones(min(rows.shape)))
        left, sizes = left[:, ::-1], sizes[::-1]
    else:
        left, sizes, _ = np.linalg.svd(rows, full_matrices=False)
    kept: FloatArray = (left * sizes)[:, sizes > 1e-6 * max(float(sizes[0]), 1e-12)][:, :width]
    largest = np.take_along_axis(kept, np.abs(kept).argmax(axis=0)[None], axis=0)
    return (kept * np.sign(largest)).astype(np.float32)


def embedded(vocabulary: Vocabulary) -> NDArray[np.float32]:
    """Mean embeddings (C, d) of the classes' texts by the encoder in the folder that WHENABOUTS_TEXT_ENCODER names.

    Only what lies in the folder is read: nothing is fetched, and no weights but safetensors. Raises SettingsError
    where the variable, the package transformers or a readable encoder is missing.
    """
    name = os.environ.get(ENCODER)
    if not name:
        raise SettingsError(f'The class feature "embedding" needs a text encoder: set {ENCODER} to its folder.')
    try:
        from transformers import AutoModel, AutoTokenizer
    except ImportError:
        raise SettingsError(
            'The class feature "embedding" needs the package transformers: pip install transformers.'
        ) from None
    import torch

    safe = {"local_files_only": True, "trust_remote_code": False}
    try:
        tokens = AutoTokenizer.from_pretrained(name, **safe)
        model = AutoModel.from_pretrained(name, use_safetensors=True, **safe).eval()
    except Exception as error:  # transformers raises many kinds; none has run anything that the files hold.
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise SettingsError(
            f"{ENCODER} is {name!r}, but no text encoder can be read there ({reason}). Name a folder that holds "
            "config.json, model.safetensors and the tokenizer's files."
        ) from None
    rows = []
    with torch.no_grad():
        for text in texts_of(vocabulary):
            given = tokens(text, return_tensors="pt", truncation=True)
            rows.append(model(**given).last_hidden_state[0].mean(dim=0).float().numpy())
    found: NDArray[np.float32] = np.stack(rows)
    return found
