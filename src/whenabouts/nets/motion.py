"""A net for motion that begins with what a net for pictures has learned."""

import torch
from torch import Tensor, nn


def start_from_pictures(motion: nn.Module, pictures: nn.Module) -> None:
    """Give `motion` the weights of `pictures`, a net of the same shape but for its input channels.

    Kernels over the input become their mean over the input channels, once for each new channel, times old over new
    channels (Wang et al., "Temporal segment networks", section 3.2, without that factor: there the first batch norm
    takes it up). So an input whose channels are all alike gives what the net for pictures gives for as many alike
    channels. Batch norms keep their statistics. Nets of other shapes raise ValueError, with the first difference.
    """
    wanted, known = motion.state_dict(), pictures.state_dict()
    if wanted.keys() != known.keys():
        raise ValueError(f"the nets differ in {sorted(wanted.keys() ^ known.keys())[0]}")
    motion.load_state_dict({name: _widened(name, known[name], tensor.shape) for name, tensor in wanted.items()})


def _widened(name: str, kernel: Tensor, shape: torch.Size) -> Tensor:
    if kernel.shape == shape:
        return kernel
    same = kernel.ndim == len(shape) >= 4 and kernel.shape[:1] + kernel.shape[2:] == shape[:1] + shape[2:]
    if not same:
        raise ValueError(f"{name} has shape {tuple(kernel.shape)} in one net and {tuple(shape)} in the other")
    mean = kernel.mean(dim=1, keepdim=True) * (kernel.shape[1] / shape[1])
    return mean.expand(shape).contiguous()
