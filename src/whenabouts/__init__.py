"""Find when things happen in your videos, from labels that only say what.

Nouns: what the verbs read and write. Verbs: `import_`, `pretrain`, `extract`, `train`, `find` and the rest do what the
command line does, and return what it prints under `--json`. `load_backbone` and `load_localizer` open models, `Project`
the folder that a verb works in. Everything is imported where it is first used: `import whenabouts` takes no time.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from whenabouts.commands.verbs import (
        check,
        demo,
        evaluate,
        export,
        extract,
        find,
        finetune,
        import_,
        pretrain,
        serve,
        show,
        sync,
        train,
    )
    from whenabouts.core.boxes import Boxes
    from whenabouts.core.errors import WhenaboutsError
    from whenabouts.core.features import FeatureSequence
    from whenabouts.core.labels import SegmentLabels, VideoLabels
    from whenabouts.core.moments import Moments
    from whenabouts.core.scores import ScoreSequence
    from whenabouts.core.timing import TimeGrid
    from whenabouts.core.video import Video
    from whenabouts.core.vocabulary import Vocabulary
    from whenabouts.data.project import Project
    from whenabouts.evaluation.report import Report
    from whenabouts.localizers import load_localizer
    from whenabouts.localizers.protocol import Localizer
    from whenabouts.recognition.published import load_backbone

__version__ = "0.1.0"

_VERBS = ("check", "demo", "evaluate", "export", "extract", "find", "finetune", "import_", "pretrain", "serve", "show",
          "sync", "train")  # fmt: skip
_HOMES = {
    **dict.fromkeys(_VERBS, "whenabouts.commands.verbs"),
    "Boxes": "whenabouts.core.boxes",
    "FeatureSequence": "whenabouts.core.features",
    "Localizer": "whenabouts.localizers.protocol",
    "Moments": "whenabouts.core.moments",
    "Project": "whenabouts.data.project",
    "Report": "whenabouts.evaluation.report",
    "ScoreSequence": "whenabouts.core.scores",
    "SegmentLabels": "whenabouts.core.labels",
    "TimeGrid": "whenabouts.core.timing",
    "Video": "whenabouts.core.video",
    "VideoLabels": "whenabouts.core.labels",
    "Vocabulary": "whenabouts.core.vocabulary",
    "WhenaboutsError": "whenabouts.core.errors",
    "load_backbone": "whenabouts.recognition.published",
    "load_localizer": "whenabouts.localizers",
}

__all__ = [
    "Boxes",
    "FeatureSequence",
    "Localizer",
    "Moments",
    "Project",
    "Report",
    "ScoreSequence",
    "SegmentLabels",
    "TimeGrid",
    "Video",
    "VideoLabels",
    "Vocabulary",
    "WhenaboutsError",
    "check",
    "demo",
    "evaluate",
    "export",
    "extract",
    "find",
    "finetune",
    "import_",
    "load_backbone",
    "load_localizer",
    "pretrain",
    "serve",
    "show",
    "sync",
    "train",
]


def __getattr__(name: str) -> Any:
    """Import a noun or a verb where it is first used: torch takes its time."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
