"""The Volleyball data set: what the team does in each clip, and every player; and layouts like it."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from whenabouts.core.errors import InvalidData
from whenabouts.core.texts import text_of
from whenabouts.data.annotations.nouns import Fault
from whenabouts.data.box_files import BoxRow

Task = Literal["personal", "group"]
GROUPS = ("r_set", "r_spike", "r-pass", "r_winpoint", "l_winpoint", "l-pass", "l-spike", "l_set")
ACTIONS = ("waiting", "setting", "digging", "falling", "spiking", "blocking", "jumping", "moving", "standing")
TEST = frozenset((4, 5, 9, 11, 14, 20, 21, 25, 29, 34, 35, 37, 43, 44, 45, 47))
"""Games to test on; those for validation are learned from too, as in the papers."""
FRAMES, MIDDLE, RATE = 41, 20, 25.0
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True)
class Player:
    """One player: corner, width and height in pixels, what he does."""

    x: float
    y: float
    width: float
    height: float
    action: str


@dataclass(frozen=True)
class VolleyballClip:
    """One annotated clip of a game: the picture's name, the team's activity, and the players."""

    game: str
    picture: str
    group: str
    players: tuple[Player, ...]
    line: str

    @property
    def id(self) -> str:
        """`game/picture`, as its pictures lie in the data set."""
        return f"{self.game}/{Path(self.picture).stem}"

    @property
    def split(self) -> str:
        """The papers' split of games."""
        return "test" if self.game.isdecimal() and int(self.game) in TEST else "train"

    def rows(self, seconds: float, size: tuple[int, int]) -> Iterator[BoxRow]:
        """Its players as boxes in fractions of pictures of (width, height); what lies outside is left out."""
        across, down = size
        for number, player in enumerate(self.players):
            x1, y1 = max(player.x / across, 0.0), max(player.y / down, 0.0)
            x2, y2 = min((player.x + player.width) / across, 1.0), min((player.y + player.height) / down, 1.0)
            if x1 < x2 and y1 < y2:
                yield BoxRow(self.id, seconds, (x1, y1, x2, y2), player.action, 1.0, str(number))


def read_volleyball(root: Path) -> tuple[tuple[VolleyballClip, ...], tuple[Fault, ...]]:
    """Read GAME/annotations.txt of all games below a folder, or one such file.

    A line is `picture.jpg group` and five words for each player, `x y w h action`, or as its documentation has it
    `action x y w h`. Groups are spelled in several ways ("l_pass", "l-pass"). Lines and players that can't be read are
    faults.
    """
    files = (
        sorted(root.glob("*/annotations.txt"), key=lambda path: _order(path.parent.name)) if root.is_dir() else [root]
    )
    if not files or not files[0].is_file():
        raise InvalidData(f"{root} holds no GAME/annotations.txt. Give the folder with the games' folders 0 to 54.")
    clips: dict[str, VolleyballClip] = {}
    faults: list[Fault] = []
    for path in files:
        game = path.parent.name if root.is_dir() else (_NUMBER.findall(path.stem) or [path.stem])[-1]
        for number, line in enumerate(text_of(path).splitlines(), start=1):
            clip = _clip(game, line, f"{game}/{path.name} line {number}", faults)
            if clip is None:
                continue
            if clip.id in clips:
                faults.append(Fault(clip.line, "a clip stands there twice; the first counts", clip.id))
            else:
                clips[clip.id] = clip
    return checked_clips(clips, root), tuple(faults)


def is_volleyball(root: Path) -> bool:
    """True for a folder of games, or one game's text."""
    if root.is_dir():
        return any(root.glob("*/annotations.txt"))
    if not root.is_file() or root.suffix.lower() != ".txt":
        return False
    words = text_of(root).split(maxsplit=2)
    return len(words) > 1 and _group(words[1]) is not None


def checked_clips(clips: Mapping[str, VolleyballClip], root: Path) -> tuple[VolleyballClip, ...]:
    """The clips, where there are any; else InvalidData."""
    if not clips:
        raise InvalidData(f"{root} names no clip. A line is: picture.jpg l-pass x y w h standing ...")
    return tuple(clips.values())


def _clip(game: str, line: str, where: str, faults: list[Fault]) -> VolleyballClip | None:
    words = line.split()
    if not words:
        return None
    group = _group(words[1]) if len(words) > 1 else None
    if group is None:
        faults.append(Fault(where, "no picture and known group activity", line[:80]))
        return None
    rest, players = words[2:], []
    if len(rest) % 5:
        faults.append(Fault(where, "players need five words each; the last ones are left out", f"{len(rest)} words"))
    for place in range(0, len(rest) - len(rest) % 5, 5):
        player = _player(rest[place : place + 5])
        if player is None:
            faults.append(Fault(where, "a player can't be read", " ".join(rest[place : place + 5])))
        else:
            players.append(player)
    return VolleyballClip(game, words[0], group, tuple(players), where)


def _group(word: str) -> str | None:
    """One spelling of each group activity: `l_pass`, `l-pass` and `L_PASS` are the same."""
    plain = re.sub(r"[-_ ]+", "_", word.casefold())
    return next((name for name in GROUPS if name.replace("-", "_") == plain), None)


def _player(words: list[str]) -> Player | None:
    action = words[4].casefold() if words[4].casefold() in ACTIONS else words[0].casefold()
    numbers = words[:4] if action == words[4].casefold() else words[1:]
    try:
        x, y, width, height = (float(number) for number in numbers)
    except ValueError:
        return None
    sound = all(math.isfinite(value) for value in (x, y, width, height)) and width > 0 and height > 0
    return Player(x, y, width, height, action) if sound and action in ACTIONS else None


def _order(name: str) -> tuple[int, str]:
    return (int(name), "") if name.isdecimal() else (10**9, name)
