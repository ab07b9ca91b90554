"""Where a published encoder's files are: a folder, or a name on Hugging Face's hub; weights as safetensors alone."""

import contextlib
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whenabouts.core.errors import InvalidData, ProjectError, SettingsError
from whenabouts.core.files import read_json, sha256_of

EXTRA = "pip install 'whenabouts[encoders]'"

_NAME = re.compile(r"[\w.-]+/[\w.-]+(@[\w.-]+)?")
_WEIGHTS = ("model.safetensors", "model-*-of-*.safetensors", "model.safetensors.index.json")
_ABOUT = ("config.json", "preprocessor_config.json", "video_preprocessor_config.json", "processor_config.json")
_TEXT = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.json", "merges.txt", "*.model")

# Ways in which weights are published that can run code when they are read, or that nothing here reads.
_OTHERS = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.pickle", "*.ckpt", "*.h5", "*.msgpack", "*.npz")

# What in a config.json has transformers fetch or open more than the files named here.
_REACHING = frozenset({"transformers_weights", "_attn_implementation", "attn_implementation", "quantization_config"})

# Beside the weights these would have transformers load others, whose checksum nobody takes.
_ADAPTERS = ("adapter_config.json", "adapter_model.safetensors", "adapter_model.bin")

# Formats of weights, and of the counts and positions beside them.
_NUMBERS = frozenset({"F16", "BF16", "F32", "F64", "I32", "I64", "BOOL"})

# Tables are small, and no net that is read here has sides or layers beyond these.
_LARGEST_TABLE = 20_000_000
_LARGEST_NUMBER, _MOST_LAYERS = 50_000_000, 1000


@dataclass(frozen=True)
class EncoderFiles:
    """A folder of checked files; `name` as it was given, `local` where that was a folder.

    `address` is where it is published, `licence` what its page says; "" where they are not known.
    """

    folder: Path
    name: str
    local: bool
    address: str = ""
    licence: str = ""

    @property
    def weights(self) -> list[Path]:
        """The files of weights, sorted by name; a link counts as what it points to, and that must be a file."""
        return [path for pattern in _WEIGHTS[:2] for path in sorted(self.folder.glob(pattern)) if path.is_file()]

    def config(self) -> dict[str, Any]:
        """The model's config.json; InvalidData where it asks for files or code beyond this folder's."""
        path = self.folder / "config.json"
        told = _table(path)
        reaching = sorted(_keys(told) & _REACHING)
        if reaching:
            raise InvalidData(
                f"{path} is refused: its {reaching[0]!r} may fetch or run what lies elsewhere. Remove it."
            )
        for name, number in _numbers(told):
            if abs(number) > (_MOST_LAYERS if "layers" in name else _LARGEST_NUMBER):
                raise InvalidData(f"{path} is refused: its {name!r} is {number:g}, which no net read here has.")
        return told

    def preprocessor(self, *, video: bool) -> dict[str, Any]:
        """The values of the preprocessor's own file, a video model's before a picture's; ProjectError without one."""
        whole = _table(self.folder / "processor_config.json", optional=True)
        parts = [whole.get("image_processor")]
        if video:
            parts.insert(0, whole.get("video_processor"))
            parts.insert(0, _table(self.folder / "video_preprocessor_config.json", optional=True))
        parts.append(_table(self.folder / "preprocessor_config.json", optional=True))
        for part in parts:
            if isinstance(part, Mapping) and part:
                return dict(part)
        names = ("video_preprocessor_config.json or " if video else "") + "preprocessor_config.json"
        raise ProjectError(
            f"{self.folder} has no {names}, which says how pictures are made. Put the publisher's there."
        )

    def check_numbers(self) -> None:
        """Raise InvalidData where weights are stored as small integers or 8-bit floats: those need scales beside them.

        transformers would read them as if they were the weights themselves.
        """
        import safetensors

        for path in self.weights:
            with safetensors.safe_open(path, framework="numpy") as file:
                kinds = {name: file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118 (no mapping)
            odd = sorted(name for name, kind in kinds.items() if kind not in _NUMBERS)
            if odd:
                raise InvalidData(
                    f"{path} is refused: {odd[0]} is stored as {kinds[odd[0]]}. Quantised weights are not read; give "
                    "the publication in float32, bfloat16 or float16."
                )

    def digest(self) -> dict[str, str]:
        """SHA-256 of each file of weights, by name."""
        return {path.name: sha256_of(path) for path in self.weights}

    def checksum(self, digests: Mapping[str, str], identity: str) -> str:
        """16 hex digits of all that decides the features: the weights, the model's config and `identity`."""
        made = hashlib.sha256(identity.encode())
        made.update((self.folder / "config.json").read_bytes())
        for name in sorted(digests):
            made.update(digests[name].encode())
        return made.hexdigest()[:16]


def is_encoder(given: str) -> bool:
    """Is this a folder in Hugging Face's layout, or a name on its hub rather than a path?"""
    path = Path(given).expanduser()
    if path.is_dir():
        return (path / "config.json").is_file() and not (path / "card.json").is_file()
    return not path.exists() and _NAME.fullmatch(given) is not None and not given.startswith(".")


def encoder_files(name: str, *, say: Callable[[str], None] = lambda _: None) -> EncoderFiles:
    """The files of an encoder: `name` is a folder, or `owner/model` (`@revision`) on the hub, fetched to its cache.

    ProjectError says what to put where when it can't be fetched or lacks a file; InvalidData refuses weights that are
    published as pickles alone.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        licence, address = _told(folder)
        return _checked(EncoderFiles(folder.resolve(), folder.resolve().name, True, address, licence))
    if not _NAME.fullmatch(name):
        raise SettingsError(f"{name!r} is neither a folder nor a name such as google/siglip2-base-patch16-224.")
    repository, _, revision = name.partition("@")
    folder = _fetched(repository, revision or None, say)
    address = f"https://huggingface.co/{repository}/tree/{folder.name}"
    return _checked(EncoderFiles(folder, name, False, address, _told(folder)[0]))


def _fetched(repository: str, revision: str | None, say: Callable[[str], None]) -> Path:
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise SettingsError(f"{repository} is on Hugging Face's hub ({error}). Install its client: {EXTRA}") from None
    wanted = [*_WEIGHTS, *_ABOUT, *_TEXT, "README.md"]
    say(f"{repository}: looked for on huggingface.co")
    try:
        return Path(snapshot_download(repository, revision=revision, allow_patterns=wanted))
    except (OSError, ValueError) as error:  # No network, no such name, a licence to accept first, a broken transfer.
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ProjectError(
            f"{repository} can't be fetched ({reason}). Without a network, download from "
            f"https://huggingface.co/{repository}/tree/{revision or 'main'} elsewhere: config.json, model.safetensors "
            "(or all model-*-of-*.safetensors and model.safetensors.index.json), preprocessor_config.json or "
            "video_preprocessor_config.json, and for scores by name the tokenizer's files. Put them into one folder, "
            "and give that folder in place of the name."
        ) from None


def _checked(files: EncoderFiles) -> EncoderFiles:
    folder = files.folder
    if not (folder / "config.json").is_file():
        raise ProjectError(
            f"{folder} has no config.json. Put the publisher's config.json beside its model.safetensors."
        )
    adapters = [name for name in _ADAPTERS if (folder / name).exists()]
    if adapters:
        raise InvalidData(
            f"{folder} is refused: its {adapters[0]} changes the net with weights of its own. Give a folder in which "
            "the adapter is merged into model.safetensors."
        )
    if not files.weights:
        raise _without_weights(files)
    parts = _table(folder / "model.safetensors.index.json", optional=True).get("weight_map", {})
    there = {path.name for path in files.weights}
    missing = sorted({str(part) for part in parts.values()} - there) if isinstance(parts, Mapping) else ["weight_map"]
    if missing:
        raise ProjectError(f"{folder} lacks {missing[0]}, which its model.safetensors.index.json names. Put it there.")
    return files


def _without_weights(files: EncoderFiles) -> InvalidData | ProjectError:
    """What is wrong with a folder that has no weights to read: they are published as something else, or missing."""
    folder = files.folder
    others = sorted(path.name for pattern in _OTHERS for path in folder.glob(pattern))
    if others:
        return InvalidData(
            f"{folder} is refused: it holds weights only as {others[0]}. Such files can run code when they are read, "
            "and are not opened here. Give a folder with model.safetensors, which the publisher may offer as another "
            "revision."
        )
    return ProjectError(
        f"{files.name}: there is no model.safetensors in {folder}. Weights are read from that file, or from "
        "model-*-of-*.safetensors with model.safetensors.index.json; publications that hold only pickles are refused."
    )


def _told(folder: Path) -> tuple[str, str]:
    """Licence and address as the head of the publisher's README.md, and its config.json, say; "" where they do not."""
    licence = ""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        _, _, rest = (folder / "README.md").read_text(encoding="utf-8").partition("---\n")
        found = re.search(r"^license(?:_name)?:[ \t]*(\S.*)$", rest.partition("\n---")[0], re.MULTILINE)
        licence = found[1].strip().strip("\"'") if found else ""
    told = _table(folder / "config.json", optional=True).get("_name_or_path", "")
    public = isinstance(told, str) and bool(_NAME.fullmatch(told))
    return licence, f"https://huggingface.co/{told}" if public else ""


def _table(path: Path, *, optional: bool = False) -> dict[str, Any]:
    if not path.is_file():
        return {} if optional else read_json(path)
    if path.stat().st_size > _LARGEST_TABLE:
        raise InvalidData(f"{path} is refused: it takes {path.stat().st_size / 1e6:.0f} MB, where a table takes a few.")
    return read_json(path)


def _keys(told: Any) -> set[str]:
    """All keys of a table and of those within it."""
    return {name for name, value in _within("", told) if value is not None}


def _numbers(told: Any) -> Iterator[tuple[str, float]]:
    """All numbers in a table, each with the key that it, or its list, stands under."""
    for name, value in _within("", told):
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield name, value


def _within(name: str, told: Any) -> Iterator[tuple[str, Any]]:
    """Keys and values of a table, of its lists and of the tables within it; without recursion, however deep they go."""
    waiting = [(name, told)]
    while waiting:
        name, told = waiting.pop()
        inner = told.items() if isinstance(told, Mapping) else ((name, one) for one in told)
        for key, value in inner:
            yield str(key), value
            if isinstance(value, Mapping | list):
                waiting.append((str(key), value))
