"""The mean of gradients over the processes of a run."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from whenabouts.training.processes import World

_BUCKET_BYTES = 32 << 20


class GradientMean:
    """Averages the gradients of parameters over processes, after each backward pass.

    Gradients are laid one behind the other in buckets that never change, so that sums have the same order of terms in
    every step, also after an interruption: torch's own wrapper orders its buckets by what came first.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], world: World, *, bucket_bytes: int = _BUCKET_BYTES) -> None:
        self._parameters, self._world, self._bucket_bytes = list(parameters), world, bucket_bytes
        self._buckets: list[list[nn.Parameter]] | None = None

    def __call__(self) -> None:
        """Put the mean in the place of each gradient; parameters without one, the same in all processes, keep none."""
        if self._world.size == 1:
            return
        if self._buckets is None:
            learning = [index for index, parameter in enumerate(self._parameters) if parameter.grad is not None]
            self._world.agree(str(learning), "the parameters that learn")
            self._buckets = _filled([self._parameters[index] for index in learning], self._bucket_bytes)
        with torch.no_grad():
            flat = [torch.cat([_gradient(parameter).flatten() for parameter in bucket]) for bucket in self._buckets]
            self._world.average(flat)
            for bucket, mean in zip(self._buckets, flat, strict=True):
                for parameter, part in zip(bucket, torch.split(mean, [one.numel() for one in bucket]), strict=True):
                    _gradient(parameter).copy_(part.view(parameter.shape))


def _gradient(parameter: nn.Parameter) -> Tensor:
    """A gradient that a step has left out is 0."""
    if parameter.grad is None:
        parameter.grad = torch.zeros_like(parameter)
    return parameter.grad


def _filled(parameters: Sequence[nn.Parameter], bucket_bytes: int) -> list[list[nn.Parameter]]:
    buckets: list[list[nn.Parameter]] = []
    room = 0
    for parameter in parameters:
        size = parameter.numel() * parameter.element_size()
        if size > room or buckets[-1][0].dtype != parameter.dtype:
            buckets.append([])
            room = bucket_bytes
        buckets[-1].append(parameter)
        room -= size
    return buckets
