"""The project that crash_safety.py kills, and what each verb makes of it undisturbed."""

import shutil
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import killing
from killing import CREATE, DELETE, MOVED_FROM, MOVED_TO, Watch

VERBS = ("pretrain", "extract", "train")
# Where the files of a run come and go: each event there is a point to kill at.
PLACES = ("features", "models", "reports", "cache/pretrain", "cache/train/winners-out", "cache/frames/6_16x22")


@dataclass
class Bench:
    """The archive, a project as each verb finds it, and what each verb makes of it when nothing comes in between."""

    folder: Path
    archive: Path = field(init=False)
    wanted: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    events: dict[str, int] = field(default_factory=dict)

    @property
    def logs(self) -> Path:
        """Where runs write what they say."""
        return self.folder / "logs"

    def base(self, verb: str) -> Path:
        """The project before a verb."""
        return self.folder / f"before-{verb}"

    def prepare(self) -> None:
        """Render, import, and run each verb once without disturbance."""
        archive = killing.render(self.folder / "archive")
        self.archive, project = archive.folder, self.folder / "project"
        concepts = ",".join(archive.concepts)
        for name, more in (("train", ["--concepts", concepts, "--min-count", "1"]), ("heldout", ["--split", "test"])):
            killing.finish(["import", "ytdlp", str(self.archive / name), "--project", str(project), *more], self.logs)
        for verb in VERBS:
            shutil.rmtree(project / "cache", ignore_errors=True)
            killing.copied(project, self.base(verb))
            watch = Watch(places(project), CREATE | MOVED_TO | MOVED_FROM | DELETE)
            run = killing.start(words(verb, project), self.logs)
            while run.alive and killing.BEGUN[verb] not in run.said:
                time.sleep(0.002)
            begun = time.perf_counter()
            if run.wait() != 0:
                raise RuntimeError(run.said)
            watch.close()
            self.seconds[verb], self.events[verb] = time.perf_counter() - begun, len(watch.events)
            self.wanted[verb] = killing.content(verb, project)
        killing.finish(["find", "--project", str(project)], self.logs)
        self.wanted["find"] = killing.content("find", project)


def places(project: Path) -> list[Path]:
    return [project / name for name in PLACES]


def words(verb: str, project: Path, *more: object) -> list[str]:
    """One worker, so that at most one video is under way."""
    return killing.words_of(verb, project, *more, *(() if verb == "train" else ("--workers", 1)))


def told(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)
