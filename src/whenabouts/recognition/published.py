"""Every published net by its name, whether it looks or listens: the one door to `PUBLISHED` and `PUBLISHED_SOUND`."""

import difflib
from collections.abc import Callable
from pathlib import Path

from whenabouts.core.errors import SettingsError
from whenabouts.recognition.backbone import Backbone
from whenabouts.recognition.published_backbone import as_backbone
from whenabouts.recognition.published_list import PUBLISHED
from whenabouts.recognition.published_sound import PUBLISHED_SOUND, PublishedSound, load_sound_net, sound_backbone
from whenabouts.recognition.published_weights import PublishedBackbone, load_clip_net


def published_names() -> list[str]:
    """All names that `load_backbone` knows."""
    return [*PUBLISHED, *PUBLISHED_SOUND]


def load_backbone(
    name: str,
    *,
    path: str | Path | None = None,
    classes: int | None = None,
    cache: Path | None = None,
    say: Callable[[str], None] = print,
) -> PublishedBackbone | PublishedSound:
    """The net with the weights published under `name`, ready to compute; `clips` of it makes what it takes.

    The file is downloaded into `cache` once (see `downloads.cache_folder`); a file at `path` works the same, and needs
    no network. `classes` other than the published head's makes a new classifier, and the report says so; nets for
    sound have none. Every other weight must be in the file, of the right shape and finite, and every weight in the
    file must be used, else InvalidData tells the first that isn't. Unknown names raise SettingsError with the nearest.
    """
    check_published(name)
    if name in PUBLISHED:
        return load_clip_net(name, path=path, classes=classes, cache=cache, say=say)
    if classes is not None:
        raise SettingsError(f"{name} gives features of sound and has no classifier. Leave out classes.")
    return load_sound_net(name, path=path, cache=cache, say=say)


def published_backbone(
    name: str, *, path: Path | None = None, cache: Path | None = None, say: Callable[[str], None] = print
) -> Backbone:
    """The same as a project's backbone: no classifier, whose classes aren't the project's; see `Backbone.save`."""
    found = load_backbone(name, path=path, cache=cache, say=say)
    return sound_backbone(found) if isinstance(found, PublishedSound) else as_backbone(found)


def check_published(name: str) -> None:
    """Raise SettingsError, with the nearest known name, where nothing is published as `name`."""
    if name in published_names():
        return
    near = difflib.get_close_matches(name, published_names(), n=1)
    hint = f"Did you mean {near[0]!r}?" if near else f"Choose from: {', '.join(sorted(published_names()))}."
    raise SettingsError(f"No weights are published here as {name!r}. {hint}")
