"""The verbs as functions: what the command line does, called from Python, with what `--json` prints as the result.

    import whenabouts

    whenabouts.train(project="~/when", seed=1)
    found = whenabouts.find("dive", project="~/when", top=5)

Options have the names of the command line's long ones (`_` for `-`), paths may be text, errors are those of
`whenabouts.core.errors`.
"""

import functools
import inspect
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

from whenabouts.commands.anywhere import anywhere
from whenabouts.commands.check import check as _check
from whenabouts.commands.console import collected_results
from whenabouts.commands.demo import demo as _demo
from whenabouts.commands.evaluate import moments as _evaluate
from whenabouts.commands.export import export as _export
from whenabouts.commands.extract import extract as _extract
from whenabouts.commands.find import find as _find
from whenabouts.commands.finetune import finetune as _finetune
from whenabouts.commands.import_ import import_ as _import
from whenabouts.commands.pretrain import pretrain as _pretrain
from whenabouts.commands.serve import serve as _serve
from whenabouts.commands.show import show as _show
from whenabouts.commands.sync import sync as _sync
from whenabouts.commands.train import train as _train

Verb = Callable[..., dict[str, Any]]


def called(command: Callable[..., None]) -> Verb:
    """A command as a function that returns the values of its last result."""
    hints = typing.get_type_hints(command)
    paths = {name for name, hint in hints.items() if hint is Path or Path in typing.get_args(hint)}
    signature = inspect.signature(command)

    @functools.wraps(command)
    def verb(*arguments: Any, **options: Any) -> dict[str, Any]:
        given = signature.bind(*arguments, **options)
        for name, value in given.arguments.items():
            if name in paths and isinstance(value, str):
                given.arguments[name] = Path(value).expanduser()
        with collected_results() as results:
            anywhere(command)(*given.args, **given.kwargs)
        return results[-1] if results else {}

    return verb


check = called(_check)
demo = called(_demo)
evaluate = called(_evaluate)
export = called(_export)
extract = called(_extract)
find = called(_find)
finetune = called(_finetune)
import_ = called(_import)
pretrain = called(_pretrain)
serve = called(_serve)
show = called(_show)
sync = called(_sync)
train = called(_train)
