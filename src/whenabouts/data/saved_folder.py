"""The folder that every saved model is, whatever it does: docs/formats.md."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from whenabouts.config import to_toml
from whenabouts.core.files import replacing_folder, sha256_of, write_json, write_text
from whenabouts.core.vocabulary import Vocabulary

if TYPE_CHECKING:
    from torch import Tensor


def write_model_folder(
    folder: Path,
    tensors: Mapping[str, "Tensor"],
    tables: Mapping[str, Any],
    vocabulary: Vocabulary,
    card: Mapping[str, Any],
    *,
    beside: Mapping[str, bytes] = MappingProxyType({}),
) -> None:
    """Write tensors, settings in `tables`, names, other files `beside` by name, and a card, whole or not at all.

    The card gets the hash of the tensors' file as "sha256".
    """
    from safetensors.torch import save_file

    with replacing_folder(folder) as part:
        plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        save_file(plain, part / "model.safetensors")
        write_text(part / "settings.toml", to_toml(tables))
        write_json(part / "vocabulary.json", vocabulary.to_json())
        for name, content in beside.items():
            (part / name).write_bytes(content)
        write_json(part / "card.json", {**card, "sha256": sha256_of(part / "model.safetensors")})
