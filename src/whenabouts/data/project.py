"""A project: the folder in which each verb reads what the one before wrote."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from whenabouts.config import as_table, load
from whenabouts.core.errors import InvalidData, ProjectError, SettingsError
from whenabouts.core.files import checksum, read_json, reading_folder, write_json
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.feature_store import FeatureStore
from whenabouts.data.manifest import Manifest
from whenabouts.data.vocabulary import VocabularySettings

Read = TypeVar("Read")

# Names of streams are parts of names of folders.
_STREAM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class Project:
    """Names the files of one project; opens and writes those that all verbs share."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __repr__(self) -> str:
        return f"Project({str(self.folder)!r})"

    @classmethod
    def create(cls, folder: Path) -> "Project":
        """Make the folder where it is missing; a file in its place raises ProjectError."""
        if folder.exists() and not folder.is_dir():
            raise ProjectError(f"{folder} is a file. A project is a folder: give another name with --project.")
        folder.mkdir(parents=True, exist_ok=True)
        return cls(folder)

    @classmethod
    def open(cls, folder: Path) -> "Project":
        """Open a project that an import has filled; without a manifest it raises ProjectError."""
        if not folder.is_dir():
            raise ProjectError(f"There is no folder {folder}. Start with `whenabouts import KIND ROOT --project DIR`.")
        project = cls(folder)
        if not project.manifest_path.is_file():
            raise ProjectError(
                f"{folder} holds no manifest.jsonl, so it is not a project yet. "
                "Start with `whenabouts import KIND ROOT`, or name the project's folder with --project."
            )
        return project

    @property
    def manifest_path(self) -> Path:
        """All videos and what was said about them, JSON lines."""
        return self.folder / "manifest.jsonl"

    @property
    def vocabulary_path(self) -> Path:
        """The concepts, JSON."""
        return self.folder / "vocabulary.json"

    @property
    def truth_path(self) -> Path:
        """When things truly happen in the measured split of a data set, JSON: for `evaluate` alone."""
        return self.folder / "truth.json"

    @property
    def features_folder(self) -> Path:
        """The feature store's shards."""
        return self.folder / "features"

    @property
    def models_folder(self) -> Path:
        """One folder per trained model."""
        return self.folder / "models"

    @property
    def backbone_folder(self) -> Path:
        """The backbone that makes the project's features of pictures."""
        return self.backbone_of("rgb")

    def backbone_of(self, modality: str) -> Path:
        """The backbone of one stream: models/backbone for "rgb", models/backbone-flow for "flow", and so on.

        Streams are named by letters, digits, points, hyphens and underscores; other names raise ProjectError.
        """
        if not _STREAM.fullmatch(modality):
            raise ProjectError(
                f"A stream of features can't be called {modality!r}. Use letters, digits, points, hyphens, underscores."
            )
        return self.models_folder / ("backbone" if modality == "rgb" else f"backbone-{modality}")

    def backbones(self) -> dict[str, Path]:
        """The folders of the backbones that are there, by the stream that each makes: pictures, motion, others."""
        named = {path.name.removeprefix("backbone-") for path in self.models_folder.glob("backbone-*")}
        found = {}
        for modality in dict.fromkeys(("rgb", "flow", *sorted(filter(_STREAM.fullmatch, named)))):
            folder = self.backbone_of(modality)
            with reading_folder(folder) as there:
                if there.is_dir():
                    found[modality] = folder
        return found

    def extraction_reports(self) -> dict[str, Path]:
        """What extraction found wrong with videos, one file a stream, by the stream's name."""
        return {
            path.stem.removeprefix("extraction").removeprefix("-") or "rgb": path
            for path in sorted(self.reports_folder.glob("extraction*.json"))
        }

    @property
    def localizer_folder(self) -> Path:
        """The localizer that finds the project's moments."""
        return self.models_folder / "localizer"

    @property
    def calibration_path(self) -> Path:
        """What scores of the localizer mean, where checked segments told."""
        return self.models_folder / "calibration.json"

    @property
    def moments_folder(self) -> Path:
        """What was found, JSON."""
        return self.folder / "moments"

    @property
    def reviews_path(self) -> Path:
        """What people decided about moments, SQLite."""
        return self.folder / "reviews.sqlite"

    @property
    def cache_folder(self) -> Path:
        """What can be made again."""
        return self.folder / "cache"

    def logs_of(self, modality: str) -> Path:
        """TensorBoard's files of the training of one stream's backbone."""
        return self.folder / "logs" / self.backbone_of(modality).name

    @property
    def reports_folder(self) -> Path:
        """What the verbs reported, JSON."""
        return self.folder / "reports"

    def manifest(self) -> Manifest:
        """The manifest; raises ProjectError where none was written."""
        return Manifest.load(self.manifest_path)

    def write_manifest(self, manifest: Manifest) -> None:
        """Write the manifest, whole or not at all."""
        manifest.save(self.manifest_path)

    def vocabulary(self) -> Vocabulary:
        """The vocabulary; raises ProjectError where none was written, InvalidData where the file is broken."""
        return self._of_vocabulary_file(Vocabulary.load)

    def vocabulary_settings(self) -> VocabularySettings:
        """How the vocabulary was built, with the policy for absent labels; the defaults where nothing is noted.

        Raises InvalidData where the file is broken, or notes settings that this version does not know.
        """
        if not self.vocabulary_path.is_file():
            return VocabularySettings()
        noted = self._of_vocabulary_file(read_json).get("settings", {})
        try:
            return load(VocabularySettings, noted, f"{self.vocabulary_path} settings")
        except SettingsError as error:
            raise InvalidData(
                f"{error} Run `whenabouts import` again, with its options: it writes them anew."
            ) from None

    def _of_vocabulary_file(self, read: Callable[[Path], Read]) -> Read:
        try:
            return read(self.vocabulary_path)
        except FileNotFoundError:
            raise ProjectError(f"There is no {self.vocabulary_path}. Run `whenabouts import` first.") from None
        except InvalidData as error:
            raise InvalidData(f"{error} Run `whenabouts import` again.") from None

    def write_vocabulary(self, vocabulary: Vocabulary, settings: VocabularySettings | None = None) -> None:
        """Write the vocabulary and how it was built, from the manifest that stands there, whole or not at all."""
        noted = {} if settings is None else {"settings": as_table(settings)}
        built_from = checksum(self.manifest_path)
        write_json(self.vocabulary_path, {**vocabulary.to_json(), **noted, "manifest": built_from})

    def vocabulary_fits(self) -> bool:
        """False where the manifest was written after the vocabulary, as by an import that was killed between both."""
        built_from = self._of_vocabulary_file(read_json).get("manifest")
        return not built_from or built_from == checksum(self.manifest_path)

    def features(self) -> FeatureStore:
        """The feature store, empty where nothing was extracted yet."""
        return FeatureStore(self.features_folder)
