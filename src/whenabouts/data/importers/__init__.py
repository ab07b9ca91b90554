"""Ways in: from what lies on somebody's disk to entries with weak labels."""

from collections.abc import Mapping

from whenabouts.data.importers.activitynet import import_activitynet
from whenabouts.data.importers.ava import import_ava
from whenabouts.data.importers.behaviour import import_boris, import_elan, import_losslesscut
from whenabouts.data.importers.charades import import_charades
from whenabouts.data.importers.clip_lists import import_epic_kitchens, import_kinetics, import_something
from whenabouts.data.importers.embedded import import_chapters
from whenabouts.data.importers.features import import_features
from whenabouts.data.importers.folders import import_folders
from whenabouts.data.importers.hashtags import import_hashtags
from whenabouts.data.importers.labelling import import_label_studio, import_via
from whenabouts.data.importers.protocol import Imported, Importer, ImportSettings, Problem
from whenabouts.data.importers.services import import_teacher
from whenabouts.data.importers.sidecars import import_nfo, import_xmp
from whenabouts.data.importers.subtitles import import_subtitles
from whenabouts.data.importers.tables import import_table
from whenabouts.data.importers.thumos14 import import_thumos14
from whenabouts.data.importers.volleyball import import_volleyball
from whenabouts.data.importers.youtube8m import import_youtube8m
from whenabouts.data.importers.ytdlp import import_ytdlp

IMPORTERS: Mapping[str, Importer] = {
    "folders": import_folders,
    "csv": import_table,
    "hashtags": import_hashtags,
    "ytdlp": import_ytdlp,
    "youtube8m": import_youtube8m,
    "thumos14": import_thumos14,
    "activitynet": import_activitynet,
    "charades": import_charades,
    "ava": import_ava,
    "volleyball": import_volleyball,
    "kinetics": import_kinetics,
    "something": import_something,
    "epic-kitchens": import_epic_kitchens,
    "features": import_features,
    "label-studio": import_label_studio,
    "via": import_via,
    "elan": import_elan,
    "boris": import_boris,
    "losslesscut": import_losslesscut,
    "chapters": import_chapters,
    "subtitles": import_subtitles,
    "nfo": import_nfo,
    "xmp": import_xmp,
    "teacher": import_teacher,
}

__all__ = ["IMPORTERS", "ImportSettings", "Imported", "Importer", "Problem"]
