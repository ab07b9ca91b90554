"""The state of an unfinished run in one safetensors file: tensors, and all else as JSON in its header."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from whenabouts.core.errors import ProjectError
from whenabouts.core.files import replacing
from whenabouts.core.progress import Progress
from whenabouts.training.finite import Skipped
from whenabouts.training.processes import ALONE, World


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run stands: `step` steps are done, and `history` is what it reported on the way.

    `plan` describes the run; a checkpoint of another plan is not continued. `sums` over `count` steps wait for the
    next report. `processes` made it together: each has buffers and random states of its own.
    `skipped` counts the steps that could not be taken.
    """

    step: int
    plan: str
    history: tuple[dict[str, float], ...] = ()
    sums: dict[str, float] = field(default_factory=dict)
    count: int = 0
    processes: int = 1
    skipped: Skipped = field(default_factory=Skipped)


def save_checkpoint(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, place: Place, world: World = ALONE
) -> None:
    """Write model, optimizer, torch's random states and place, whole or not at all.

    Of several processes all must ask and the first writes; of the others it holds the buffers, which the processes do
    not share, and the random states.
    """
    own = {f"buffer.{name}": buffer for name, buffer in model.named_buffers()}
    device = _device_of(model)
    own |= {f"random.{name}": state.to(device) for name, state in _random_states(device).items()}
    everyone = world.collect(own)
    if not world.first:
        return
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    for rank, theirs in enumerate(everyone):
        if rank:
            tensors |= {f"process{rank}.{name}": tensor for name, tensor in theirs.items()}
    plain: dict[str, dict[str, Any]] = {}
    for index, state in optimizer.state_dict()["state"].items():
        for name, value in state.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer.{index}.{name}"] = value
            else:
                plain.setdefault(str(index), {})[name] = value
    tensors |= {name: state for name, state in own.items() if name.startswith("random.")}
    header = {"place": asdict(replace(place, processes=world.size)), "optimizer": plain}
    with replacing(path) as part:
        laid = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        safetensors.torch.save_file(laid, part, metadata={"state": json.dumps(header)})


def read_place(path: Path) -> Place:
    """Where the run of a checkpoint stands, without reading its tensors; raises ProjectError for another file."""
    with _read(path):
        values = _header(path)["place"]
        skipped = Skipped(**values.get("skipped", {}))
        return Place(**{**values, "history": tuple(values["history"]), "skipped": skipped})


def load_checkpoint(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, world: World = ALONE) -> Place:
    """Put what `save_checkpoint` wrote back into model, optimizer and torch's random states, each process its own.

    What the model can't take, and weights that are no finite numbers, raise ProjectError.
    """
    with _read(path):
        _put_back(path, model, optimizer, world)
    return read_place(path)


def _put_back(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, world: World) -> None:
    header = _header(path)
    tensors = safetensors.torch.load_file(path)
    broken = [name for name, tensor in tensors.items() if tensor.is_floating_point() and not tensor.isfinite().all()]
    if broken:
        raise ValueError(f"{broken[0]} is not finite")
    states: dict[int, dict[str, Any]] = {int(index): dict(values) for index, values in header["optimizer"].items()}
    for name, tensor in _under(tensors, "optimizer.").items():
        index, _, field = name.partition(".")
        states.setdefault(int(index), {})[field] = tensor
    optimizer.load_state_dict({"state": states, "param_groups": optimizer.state_dict()["param_groups"]})
    mine = "" if world.first else f"process{world.rank}."
    model.load_state_dict({**_under(tensors, "model."), **_under(tensors, f"{mine}buffer.")})
    _restore_random_states(_under(tensors, f"{mine}random."), _device_of(model))


def resumed(
    checkpoint: Path | None,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    plan: str,
    progress: Progress,
    world: World,
) -> Place:
    """Where to begin: at the checkpoint's step if it belongs to this very plan, else at 0."""
    if checkpoint is None or not checkpoint.exists():
        return Place(0, plan)
    found = read_place(checkpoint)
    if found.processes != world.size:
        raise ProjectError(
            f"{checkpoint} was made by {found.processes} processes at step {found.step}, but now there are "
            f"{world.size}. Start {found.processes} (torchrun --nproc-per-node), or remove the file to begin anew."
        )
    if found.plan != plan:
        progress.say(f"{checkpoint} belongs to other settings or other data: starting over.")
        return Place(0, plan)
    place = load_checkpoint(checkpoint, model, optimizer, world)
    progress.say(f"resuming at step {place.step} from {checkpoint}")
    return place


@contextlib.contextmanager
def _read(path: Path) -> Iterator[None]:
    """Tell of a file that is none of ours, or damaged: ProjectError, as no trial of settings may be blamed for it."""
    try:
        yield
    except (safetensors.SafetensorError, LookupError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        told = " ".join(str(error).split())[:300]
        raise ProjectError(f"{path} is not a checkpoint of this program ({told}). Remove it to start anew.") from None


def _header(path: Path) -> dict[str, Any]:
    with safetensors.safe_open(path, framework="pt") as file:
        header: dict[str, Any] = json.loads((file.metadata() or {})["state"])
    return header


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _device_of(model: nn.Module) -> torch.device:
    return next(iter(model.parameters())).device


def _random_states(device: torch.device) -> dict[str, Tensor]:
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def _restore_random_states(states: dict[str, Tensor], device: torch.device) -> None:
    torch.set_rng_state(states["cpu"])
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)
