"""The paper's claims as differences between rows, paired by seed, and what became of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

# In points of accuracy: a smaller mean difference is no finding.
LEAST = 2.0

Figure = Callable[[str, str, str, str], float]
"""(table, row, target, "all" or "fc") -> top-1 in points."""


@dataclass(frozen=True)
class Claim:
    """What the paper says, where, and the difference that is above 0 where it is so."""

    text: str
    where: str
    difference: Callable[[Figure], float]


@dataclass(frozen=True)
class Verdict:
    """A claim with its difference in each seed."""

    claim: Claim
    differences: tuple[float, ...]

    @property
    def told(self) -> str:
        """Holds or does not where all of at least three seeds agree and the mean is at least `LEAST` points."""
        if len(self.differences) < 3:
            return "can't be shown here (too few seeds)"
        mean = float(np.mean(self.differences))
        if abs(mean) >= LEAST and len({difference > 0 for difference in self.differences}) == 1:
            return "holds here" if mean > 0 else "does not hold here"
        return "can't be shown here"


def between(table: str, better: str, worse: str, target: str, how: str) -> Callable[[Figure], float]:
    """The difference of two rows of a table."""
    return lambda at: at(table, better, target, how) - at(table, worse, target, how)


def _leads(source: str, target: str, how: str) -> Callable[[Figure], float]:
    others = [name for name in ("actions", "verbs", "nouns", "verbs + nouns") if name != source]
    return lambda at: at("Fig. 2", source, target, how) - max(at("Fig. 2", name, target, how) for name in others)


def _gap(at: Figure) -> float:
    """By how much fine-tuning of all layers leads on the kitchen beyond what it does near."""
    row = ("Fig. 1a-b", "noisy, 3200")
    return sum(
        sign * (at(*row, target, "all") - at(*row, target, "fc"))
        for sign, target in ((1, "kitchen action"), (-1, "near action"))
    )


def _grown(at: Figure) -> float:
    def gain(kind: str) -> float:
        return at("Table 2", f"128 wide, {kind}", NEAR, "all") - at("Table 2", f"24 wide, {kind}", NEAR, "all")

    return gain("noisy") - gain("scratch")


NEAR, FAR = "near action", "kitchen action"
_ONE, _FOUR = "Fig. 1a-b", "Table 4"


def _claims() -> tuple[Claim, ...]:
    found = []
    for target, name in ((NEAR, "near target"), (FAR, "shifted target")):
        found.append(Claim(f"pre-training on the noisy archive beats training from scratch, {name}", "Fig. 1, text",
                           between(_ONE, "noisy, 3200", "scratch", target, "all")))  # fmt: skip
        for how in ("all", "fc"):
            found.append(Claim(f"more noisy posts are better (3200 over 200), {name}, {how}", "Fig. 1a, b",
                               between(_ONE, "noisy, 3200", "noisy, 200", target, how)))  # fmt: skip
    for how in ("all", "fc"):
        found.append(Claim(f"noisy and large beats clean and small, clips seen being equal, shifted, {how}", "Fig. 1b",
                           between(_ONE, "noisy, 3200", "clean, 144", FAR, how)))  # fmt: skip
    found.append(Claim("the gap between all layers and fc is wider on the shifted target", "section 4.1.1", _gap))
    for count in (200, 800):
        found.append(Claim(f"tail-preserving beats random sampling, {count} posts, fc", "Fig. 1c",
                           between("Fig. 1c", f"tail, {count}", f"random, {count}", NEAR, "fc")))  # fmt: skip
    found.append(
        Claim("a net five times as wide gains more with pre-training than without (128 over 24)", "Table 2", _grown)
    )
    found.append(Claim("the widest net is no better than the next (saturation): 96 wide over 128", "Table 2",
                       between("Table 2", "96 wide, noisy", "128 wide, noisy", NEAR, "all")))  # fmt: skip
    for how in ("fc", "all"):
        for source, target in (("actions", NEAR), ("verbs", "kitchen verb"), ("nouns", "kitchen noun")):
            found.append(
                Claim(f"{source} as labels are best for {target}s, {how}", "Fig. 2", _leads(source, target, how))
            )
        found.append(Claim(f"verbs + nouns are not the best for kitchen actions: verbs over them, {how}", "Fig. 2d",
                           between("Fig. 2", "verbs", "verbs + nouns", FAR, how)))  # fmt: skip
        found.append(Claim(f"few labels hurt, posts being equal (12 actions over 3), {how}", "Fig. 4b",
                           between("Fig. 4b", "12 actions", "3 actions", NEAR, how)))  # fmt: skip
        found.append(Claim(f"more pairs help up to a point (18 over 9), {how}", "Fig. 4a",
                           between("Fig. 4a", "18 pairs", "9 pairs", NEAR, how)))  # fmt: skip
        found.append(Claim(f"long posts beat as many short ones, {how}", "Table 3, F1",
                           between("Table 3", "long, as many", "short", NEAR, how)))  # fmt: skip
        found.append(Claim(f"short posts beat as many centres of long ones, {how}", "Table 3, F1",
                           between("Table 3", "short", "centres of long", NEAR, how)))  # fmt: skip
        found.append(Claim(f"short posts beat long ones of as many clips in all, {how}", "Table 3, F2",
                           between("Table 3", "short", "long, as much time", NEAR, how)))  # fmt: skip
    for better, worse, text in (
        ("noisy clips", "noisy frames of videos", "clips beat frames that are inflated"),
        ("noisy frames of videos", "noisy pictures", "frames of videos beat pictures"),
        ("noisy pictures", "clean pictures of nouns", "noisy pictures with actions beat clean ones with nouns"),
        ("noisy pictures", "scratch", "inflated pictures beat training from scratch"),
        ("noisy clips", "clean clips", "many noisy clips beat few clean ones"),
    ):
        found.append(Claim(text, "Table 4", between(_FOUR, better, worse, NEAR, "all")))
    for target in (NEAR, FAR):
        for how in ("all", "fc"):
            found.append(Claim(f"a softmax on one tag beats sigmoids, {target}, {how}", "section 3.3",
                               between("Losses", "softmax", "sigmoid", target, how)))  # fmt: skip
    return tuple(found)


CLAIMS = _claims()


def judged(cells: list[Mapping[str, Any]]) -> list[Verdict]:
    """Each claim over the seeds that have all of its rows."""
    known = {
        (cell["seed"], cell["table"], cell["row"], target, how): 100 * own["top1"]
        for cell in cells
        for target, ways in cell["figures"].items()
        for how, own in ways.items()
        if own is not None
    }
    seeds = sorted({cell["seed"] for cell in cells})
    return [Verdict(claim, tuple(_differences(claim, seeds, known))) for claim in CLAIMS]


def _differences(claim: Claim, seeds: list[int], known: Mapping[tuple[Any, ...], float]) -> list[float]:
    found = []
    for seed in seeds:
        try:
            found.append(claim.difference(lambda *place, seed=seed: known[(seed, *place)]))
        except KeyError:
            continue
    return found
