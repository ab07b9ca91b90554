"""What results were made from, kept beside them: so that stale ones can be told."""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from whenabouts import __version__
from whenabouts.core.errors import InvalidData
from whenabouts.core.files import checksum, read_json, reading_folder, write_json
from whenabouts.data.feature_store import FeatureStore
from whenabouts.data.manifest import Entry
from whenabouts.data.project import Project


@dataclass(frozen=True)
class MomentsCard:
    """Checksums of the model and the backbones ("" where there was none) and of moments.json, and what was searched.

    `videos` maps each video of `split` ("all" for all) that had features of any of the `modalities` to the time at
    which the newest of them were written (nanoseconds since 1970). `asked` holds what the search was told beyond the
    model's own settings: its least score, and changes of [train].
    """

    split: str
    modalities: tuple[str, ...]
    model: str
    backbone: str
    videos: Mapping[str, int]
    moments: str = ""
    asked: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, project: Project, entries: Sequence[Entry], store: FeatureStore, modalities: Iterable[str],
            *, split: str, asked: Mapping[str, Any] = MappingProxyType({})) -> "MomentsCard":  # fmt: skip
        """What a search would work with now; take it before the search, so that it can't be newer."""
        kept = tuple(modalities)
        searched = [entry for entry in entries if entry.usable and split in ("all", entry.split)]
        times = {entry.id: _newest(entry, store, kept) for entry in searched}
        return cls(
            split,
            kept,
            folder_checksum(project.localizer_folder),
            "+".join(folder_checksum(folder) for folder in project.backbones().values()),
            {video_id: written for video_id, written in times.items() if written},
            asked={name: value for name, value in asked.items() if value is not None and value != {}},
        )

    def save(self, folder: Path) -> None:
        """Write the card beside the moments.json in `folder`, which is the last to be written: it seals a search."""
        sealed = {**asdict(self), "moments": checksum(folder / "moments.json")}
        write_json(folder / "card.json", {"kind": "moments", "version": __version__, **sealed})

    @classmethod
    def load(cls, folder: Path) -> "MomentsCard | None":
        """The card in a folder of moments; None where there is none, or none that can be read."""
        try:
            values = read_json(folder / "card.json")
            known = {name: values[name] for name in cls.__dataclass_fields__ if name != "asked"}
            known |= {"modalities": tuple(known["modalities"]), "videos": dict(known["videos"])}
            return cls(**known, asked=dict(values.get("asked", {})))
        except (OSError, InvalidData, ValueError, KeyError, TypeError):
            return None

    def changes(self, project: Project, entries: Sequence[Entry], store: FeatureStore) -> list[str]:
        """What has changed since, as people say it; nothing where the moments are as good as new."""
        now = MomentsCard.of(project, entries, store, self.modalities, split=self.split)
        usable = {entry.id for entry in entries if entry.usable and self.split in ("all", entry.split)}
        lacking = (self.videos.keys() & usable) - now.videos.keys()
        outgrown = {entry.id for entry in entries if entry.changed_ns >= self.videos.get(entry.id, math.inf)}
        counts = {
            "new videos": len(now.videos.keys() - self.videos.keys()),
            "removed videos": len(self.videos.keys() - usable),
            "changed videos without new features": len(lacking & outgrown),
            "videos whose features are gone": len(lacking - outgrown),
            "videos with new features": sum(now.videos.get(name, time) != time for name, time in self.videos.items()),
        }
        told = [f"{what}: {count}" for what, count in counts.items() if count]
        told += ["the model changed"] if now.model != self.model else []
        told += ["the backbone changed"] if now.backbone != self.backbone else []
        if checksum(project.moments_folder / "moments.json") != self.moments:
            told.append("moments.json is not the one that was written with its card")
        return told


@dataclass(frozen=True)
class Lessons:
    """What a localizer was trained on: a checksum of the model, and for each video a hash of what is said about it."""

    model: str
    videos: Mapping[str, str]

    @classmethod
    def of(cls, project: Project, entries: Iterable[Entry]) -> "Lessons":
        """What the model that stands there would learn from these entries now."""
        return cls(folder_checksum(project.localizer_folder), {entry.id: _said(entry) for entry in entries})

    def save(self, project: Project) -> None:
        """Write reports/train.json."""
        write_json(project.reports_folder / "train.json", asdict(self))

    @classmethod
    def load(cls, project: Project) -> "Lessons | None":
        """What was saved; None where there is nothing that can be read."""
        try:
            values = read_json(project.reports_folder / "train.json")
            return cls(values["model"], dict(values["videos"]))
        except (OSError, InvalidData, ValueError, KeyError, TypeError):
            return None

    def changes(self, project: Project, entries: Iterable[Entry], store: FeatureStore) -> list[str]:
        """What has changed since in training videos with features, as people say it; nothing about another model."""
        usable = {entry.id: entry for entry in entries if entry.usable and entry.split == "train"}
        there = [entry for entry in usable.values() if _newest(entry, store, store.modalities())]
        now = Lessons.of(project, there)
        if now.model != self.model:
            return []
        known = {video_id: said for video_id, said in self.videos.items() if video_id in usable}
        counts = {
            "new videos": len(now.videos.keys() - self.videos.keys()),
            "removed videos": len(self.videos.keys() - usable.keys()),
            "videos with other labels or content": sum(_said(usable[n]) != s for n, s in known.items()),
            "videos whose features are gone": sum(n not in now.videos and _said(usable[n]) == s
                                                  for n, s in known.items()),
        }  # fmt: skip
        return [f"{what}: {count}" for what, count in counts.items() if count]


def folder_checksum(folder: Path) -> str:
    """Hash of all files in a saved model's folder; "" where there is none."""
    digest = hashlib.sha256()
    with reading_folder(folder) as there:
        files = sorted(path for path in there.iterdir() if path.is_file()) if there.is_dir() else []
        for path in files:
            digest.update(f"{path.name} {checksum(path)}\n".encode())
    return digest.hexdigest()[:16] if files else ""


def source_of(folder: Path) -> str:
    """What a saved backbone calls the features that it makes; "" where there is none, or none that can be read."""
    with reading_folder(folder) as there:
        try:
            return str(read_json(there / "card.json")["source"])
        except (OSError, InvalidData, ValueError, KeyError, TypeError):
            return ""


def _newest(entry: Entry, store: FeatureStore, modalities: Iterable[str]) -> int:
    """When the newest features of an entry's present content were written; 0 where there are none."""
    times = [store.written_ns(entry.id, modality) for modality in modalities]
    return max((time for time in times if time > entry.changed_ns), default=0)


def _said(entry: Entry) -> str:
    said = [[asdict(label) for label in entry.labels], [asdict(part) for part in entry.segments], entry.changed_ns]
    return hashlib.sha256(json.dumps(said).encode("utf-8", "surrogatepass")).hexdigest()[:8]
