"""The child process that decodes. It never imports torch."""

import contextlib
import importlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from io import BufferedReader
from typing import Any, BinaryIO, cast

from whenabouts.core.addresses import place_of
from whenabouts.core.errors import WhenaboutsError
from whenabouts.media.fetching import Unfetched, parts_of
from whenabouts.media.messages import Message, message_of, receive, send
from whenabouts.media.parts import Part


def serve(memory_bytes: int) -> None:
    """Run the jobs that come in on the standard input, one after the other, until it is closed.

    Decoding beside torch in one process can hang, and both bring thread pools: here torch can't be imported. What
    libraries print does not reach the parent. Ctrl-C is the parent's to answer: it reaches both.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.modules["torch"] = None  # type: ignore[assignment]
    requests = cast(BufferedReader, sys.stdin.buffer)
    answers = os.fdopen(os.dup(1), "wb")
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    _limit_memory(memory_bytes)
    while (request := receive(requests)) is not None:
        _answer(request, answers)


def _answer(request: Message, answers: BinaryIO) -> None:
    try:
        for part in parts_of(_function(request.values["function"]), _arguments(request)):
            send(answers, message_of(part))
        send(answers, Message("end", {}, {}))
    except MemoryError:
        send(answers, Message("error", {"reason": "decoding took more memory than it may", "passing": True}, {}))
    except WhenaboutsError as error:
        outside = isinstance(error, Unfetched)
        send(answers, Message("error", {"reason": str(error), "passing": outside}, {}))
    except BrokenPipeError:
        sys.exit(0)
    except Exception as error:  # whatever it is, the parent must hear of it
        reason = f"decoding failed: {type(error).__name__}: {error}"[:500]
        send(answers, Message("error", {"reason": reason, "passing": isinstance(error, OSError)}, {}))


def _function(name: str) -> Callable[..., Iterator[Part]]:
    module, _, inside = name.partition(":")
    found: Any = importlib.import_module(module)
    for attribute in inside.split("."):
        found = getattr(found, attribute)
    function: Callable[..., Iterator[Part]] = found
    return function


def _arguments(request: Message) -> dict[str, Any]:
    paths = set(request.values["paths"])
    return {name: place_of(value) if name in paths else value for name, value in request.values["arguments"].items()}


def _limit_memory(limit: int) -> None:
    """Where the system can: beyond this, allocations fail instead of taking the machine down."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
