"""Where to compute and in which number format."""

import contextlib
import importlib.util
import platform
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn

from whenabouts.core.errors import SettingsError
from whenabouts.training.processes import launched, local_rank

PrecisionName = Literal["auto", "float32", "bfloat16"]
CompileName = Literal["auto", "always", "never"]

Net = TypeVar("Net", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class Compute:
    """A device, the number format of convolutions and products on it, and how clips lie in its memory.

    `compiled` nets are put through torch.compile, by those who ask for it: see `quick`.
    """

    device: torch.device
    dtype: torch.dtype
    memory_format: torch.memory_format = torch.channels_last_3d
    compiled: bool = False

    def autocast(self) -> torch.autocast:
        """A context in which torch computes in `dtype` where that is safe; parameters stay float32."""
        return torch.autocast(self.device.type, dtype=self.dtype, enabled=self.dtype != torch.float32)

    def place(self, tensor: Tensor) -> Tensor:
        """Bring a tensor to the device, clips (B, C, T, H, W) in the memory format that convolutions like."""
        if tensor.ndim == 5:
            return tensor.to(self.device, memory_format=self.memory_format)
        return tensor.to(self.device)

    def place_net(self, net: Net) -> Net:
        """Bring a net to the device, its kernels in the memory format that convolutions like."""
        net.to(self.device)
        formats = {4: torch.channels_last, 5: self.memory_format}
        for parameter in net.parameters():
            if parameter.ndim in formats:
                parameter.data = parameter.data.contiguous(memory_format=formats[parameter.ndim])
        return net

    def quick(self, net: nn.Module) -> Callable[..., Any]:
        """The net as a function, compiled where this says so; it computes with the net's weights as they then are.

        Where torch can't compile it here, for want of a compiler say, it is warned once and the net runs as it is.
        """
        if not self.compiled:
            return net
        made, failed = torch.compile(net), False

        def forward(*given: Any) -> Any:
            nonlocal failed
            if not failed:
                try:
                    return made(*given)
                except _compiling_errors() as error:
                    failed = True
                    said = " ".join(str(error).split())[:200]
                    warnings.warn(f"torch can't compile this net here, and runs it as it is: {said}", stacklevel=2)
            return net(*given)

        return forward

    def __str__(self) -> str:
        return f"{self.device} {str(self.dtype).removeprefix('torch.')}{' compiled' if self.compiled else ''}"


def choose_device(name: str) -> torch.device:
    """`auto` (a GPU, else the CPU), `cpu`, `cuda` or `cuda:N`; raises SettingsError for what is not there.

    Of several processes on a machine, each takes the GPU of its own number with `auto` and `cuda`.
    """
    if name == "auto":
        return _own_gpu() if torch.cuda.is_available() else torch.device("cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise SettingsError(f"--device is {name!r}. Choose auto, cpu, cuda or cuda:N.") from None
    if device.type not in ("cpu", "cuda"):
        raise SettingsError(f"--device is {name!r}. Choose auto, cpu, cuda or cuda:N.")
    if device == torch.device("cuda"):
        device = _own_gpu()
    seen = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= seen:
        raise SettingsError(f"--device {name} asks for a GPU, but torch sees {seen} of them. Choose auto or cpu.")
    return device


def _own_gpu() -> torch.device:
    return torch.device("cuda", local_rank()) if launched() else torch.device("cuda")


def compute_dtype(device: torch.device, precision: PrecisionName = "auto") -> torch.dtype:
    """bfloat16 where the device computes in it natively, else float32: the machine decides, never a stop-watch."""
    if precision != "auto":
        return torch.bfloat16 if precision == "bfloat16" else torch.float32
    if device.type == "cuda":
        native = torch.cuda.get_device_capability(device) >= (8, 0)
    else:
        native = bool(cpu_flags() & {"avx512_bf16", "amx_bf16"})
    return torch.bfloat16 if native else torch.float32


def choose_compute(
    name: str = "auto", precision: PrecisionName = "auto", compile_nets: CompileName = "never"
) -> Compute:
    """Device, number format and compilation together, as `--device` and a recipe name them."""
    return compute_on(choose_device(name), precision, compile_nets)


def compute_on(device: torch.device, precision: PrecisionName = "auto", compile_nets: CompileName = "never") -> Compute:
    """How a device that was chosen computes.

    With "auto" nets are compiled on a GPU that torch can compile for; on a CPU it takes longer than it saves.
    """
    compiled = compile_nets == "always" or (compile_nets == "auto" and compiles(device))
    return Compute(device, compute_dtype(device, precision), compiled=compiled)


def compiles(device: torch.device) -> bool:
    """Can torch compile nets for this device with profit: a GPU of capability 7.0 or later, with Triton installed?"""
    if device.type != "cuda" or importlib.util.find_spec("triton") is None:
        return False
    return torch.cuda.get_device_capability(device) >= (7, 0)


def _compiling_errors() -> tuple[type[Exception], ...]:
    """What torch.compile raises where it can't compile, other than what the net itself raises."""
    from torch._dynamo import exc

    return (exc.TorchDynamoException,)


def cpu_flags() -> frozenset[str]:
    """What the processor says it can do, as Linux names it; empty where that is not known.

    bfloat16 without these instructions is slower than float32: Linux on x86 alone is trusted to tell.
    """
    listing = Path("/proc/cpuinfo")
    if platform.machine() not in ("x86_64", "AMD64") or not listing.exists():
        return frozenset()
    for line in listing.read_text(encoding="utf-8", errors="replace").splitlines():
        name, _, words = line.partition(":")
        if name.strip() == "flags":
            return frozenset(words.split())
    return frozenset()


@contextlib.contextmanager
def deterministic(device: torch.device) -> Iterator[None]:
    """Ask torch for repeatable algorithms within the block; on a GPU what has none is only warned of by torch."""
    asked, warned = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    memory: Any = torch.utils.deterministic
    filled = memory.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True, warn_only=device.type != "cpu")
    memory.fill_uninitialized_memory = False  # Costly, and meant for finding faults.
    try:
        yield
    finally:
        memory.fill_uninitialized_memory = filled
        torch.use_deterministic_algorithms(asked, warn_only=warned)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread: where products are too small to share, and the bits must depend on no core count."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
