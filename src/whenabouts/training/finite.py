"""Steps whose loss or gradient is no finite number: they are not taken, but counted, and too many end a run."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from whenabouts.core.errors import InvalidData
from whenabouts.core.progress import Progress
from whenabouts.training.processes import World

MOST_IN_A_ROW = 10


@dataclass(frozen=True, slots=True)
class Skipped:
    """How many steps were skipped: in all, in a row up to now, and since the last report."""

    total: int = 0
    in_a_row: int = 0
    unreported: int = 0


class Guard:
    """Keeps a model's weights and buffers finite.

    One batch that is broken costs its step, and no more: the statistics that batch normalisation took from it are put
    back. So the loss of a model that has come apart shows in a row of such steps: with `MOST_IN_A_ROW` of them, or more
    than a tenth of all `steps`, InvalidData ends the run. What is judged is the mean over all processes, which is the
    same in each, so that they skip together. Nothing here waits for the device but what is done after a bad step.
    """

    def __init__(self, model: nn.Module, steps: int, world: World, skipped: Skipped, rate: float) -> None:
        self.skipped = skipped
        self._tenth, self._world, self._rate = max(1, steps // 10), world, rate
        self._model, self._buffers = model, list(model.buffers())
        self._before = [buffer.clone() for buffer in self._buffers]

    def begin(self) -> None:
        """A step comes next: keep what its forward passes will change."""
        if self._buffers:
            torch._foreach_copy_(self._before, self._buffers)

    def take(self, loss: float, norm: float, *, own_loss: float, step: int, progress: Progress) -> bool:
        """Whether the step may be taken, by the loss and the norm of the gradient; `own_loss` is of this process."""
        old = self.skipped
        if math.isfinite(loss) and math.isfinite(norm):
            self.skipped = Skipped(old.total, 0, old.unreported)
            return True
        if self._buffers:
            torch._foreach_copy_(self._buffers, self._before)
        self.skipped = Skipped(old.total + 1, old.in_a_row + 1, old.unreported + 1)
        seen = self._seen(loss, norm, own_loss, step)
        if self.skipped.in_a_row >= min(MOST_IN_A_ROW, self._tenth) or self.skipped.total > self._tenth:
            raise InvalidData(
                f"{seen}. {self._count()} could not be taken, the last {self.skipped.in_a_row} in a row. Lower the "
                f"learning rate ({self._rate}), or look for broken inputs."
            )
        if not old.unreported:
            progress.say(f"{seen}: this step is not taken.")
        return False

    def reported(self) -> int:
        """How many steps were skipped since the last call."""
        count = self.skipped.unreported
        self.skipped = Skipped(self.skipped.total, self.skipped.in_a_row)
        return count

    def check_weights(self, step: int) -> None:
        """Raise InvalidData, in all processes, where a weight or buffer of any is not finite after `step` steps."""
        broken = {name for found in self._world.gather(_not_finite(self._model)) for name in found}
        if broken:
            names = sorted(broken)
            raise InvalidData(
                f"{len(names)} weights or statistics are not finite after step {step}, such as {names[0]}: none of "
                f"them were kept. Lower the learning rate ({self._rate}), or look for broken inputs."
            )

    def _seen(self, loss: float, norm: float, own_loss: float, step: int) -> str:
        if math.isfinite(loss):
            return f"The gradient's norm is {norm} at step {step}, with a loss of {loss:.4g}"
        losses = self._world.gather(math.isfinite(own_loss))
        where = [str(rank) for rank, fine in enumerate(losses) if not fine]
        told = f" in process {', '.join(where)} of {len(losses)}" if len(losses) > 1 and where else ""
        return f"The loss is {loss} at step {step}{told}"

    def _count(self) -> str:
        return "1 step" if self.skipped.total == 1 else f"{self.skipped.total} steps"


def steps_not_taken(history: Iterable[Mapping[str, float]]) -> int:
    """How many steps were skipped, by the rows of a run's reports."""
    return int(sum(row.get("skipped", 0.0) for row in history))


def gradient_norm(model: nn.Module) -> Tensor:
    """The length of all gradients together, on their device; 0 where there are none."""
    return nn.utils.get_total_norm([part.grad for part in model.parameters() if part.grad is not None])


def _not_finite(model: nn.Module) -> list[str]:
    """Names of weights and buffers that hold a number that is not finite; the device is asked once."""
    floats = {name: tensor for name, tensor in model.state_dict().items() if tensor.is_floating_point()}
    if not floats:
        return []
    fine = torch.stack([torch.isfinite(tensor).all() for tensor in floats.values()]).tolist()
    return [name for name, good in zip(floats, fine, strict=True) if not good]
