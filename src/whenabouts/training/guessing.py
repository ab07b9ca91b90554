"""Whether a run has learned anything: its loss at the end beside that of a guess which is the same for every input."""

import math
from collections.abc import Mapping, Sequence

# A net that says the same of all inputs may have a little less than a guess, by the chance of its last batches.
_NEAR = 0.98
LOWER_RATE = "Lower the learning rate, or learn for more steps."


def loss_of_guessing(classes: int, *, each: bool) -> float:
    """The loss of saying all classes evenly: of a softmax, or with `each` of a sigmoid for each of them, summed up."""
    return classes * math.log(2) if each else math.log(classes)


def learned_nothing(history: Sequence[Mapping[str, float]], guessing: float, advice: str = LOWER_RATE) -> str:
    """What to tell of a run that ends no better than a guess, with advice; "" for any other.

    The better one of the last two reports counts, for the very last may be of a single batch.
    """
    last = [row["loss"] for row in history[-2:] if "loss" in row]
    if not last or min(last) < _NEAR * guessing:
        return ""
    return (
        f"It has learned nothing that is of use: its training loss at the end is {min(last):.4g}, and to say all "
        f"labels evenly of everything has {guessing:.4g}. {advice}"
    )
