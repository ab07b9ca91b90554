"""How official lists of labelled clips are read."""

from typing import Literal

from whenabouts.config import settings


@settings
class ClipListSettings:
    """Where the files of listed clips lie; "": below the lists' own folder."""

    media: str = ""


@settings
class EpicKitchensSettings:
    """How EPIC-KITCHENS is read: `task` chooses the labels, `media` the folder of the videos ("": beside the tables).

    `validation_participants` are taken out of training to validate on.
    """

    task: Literal["verb", "noun", "action"] = "verb"
    media: str = ""
    validation_participants: tuple[str, ...] = ()
