"""The list of commands in a help text, each with its whole first sentence."""

import inspect
from typing import Any

from typer.core import TyperGroup


class WholeSentences(TyperGroup):
    """A group of commands that says of each all of its first paragraph, where otherwise a line's end would cut it."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the section "Commands"."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(name, _first_paragraph(each.help or "")) for name, each in commands if each and not each.hidden]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)


def _first_paragraph(text: str) -> str:
    return " ".join(inspect.cleandoc(text).split("\n\n")[0].split())
