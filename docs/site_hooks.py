"""Brings into the site what pages link to outside docs/: results of measurements as pages, code and pictures as files.

mkdocs calls `on_files` once, then `on_page_markdown` for each page; see `hooks` in mkdocs.yml.
"""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
RESULTS = "benchmarks/results"
LINK = re.compile(r"\]\(((?:\.\./)+)([^)#\s]*)(#[^)]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages of all results, a list of them, and every file outside docs/ that a page links to."""
    results = sorted((ROOT / RESULTS).glob("*.md"))
    wanted = {*results, *(ROOT / RESULTS).glob("*.png"), *(ROOT / "examples").glob("*.*")}
    for page in [*(ROOT / "docs").glob("*.md"), *results]:
        for match in LINK.finditer(page.read_text(encoding="utf-8")):
            path = (page.parent / (match[1] + match[2])).resolve()
            if path.is_file() and not path.is_relative_to(ROOT / "docs"):
                wanted.add(path)
    for path in sorted(wanted):
        files.append(File.generated(config, path.relative_to(ROOT).as_posix(), abs_src_path=str(path)))
    files.append(File.generated(config, f"{RESULTS}/index.md", content=_list(results)))
    return files


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Files) -> str:
    """Lead links that leave docs/ to where the site has their targets."""
    up = "../" * page.file.src_uri.count("/")

    def led(match: re.Match[str]) -> str:
        source = ROOT if page.file.generated_by else ROOT / "docs"
        path = (source / page.file.src_uri).parent / (match[1] + match[2])
        inner = path.resolve().relative_to(ROOT).as_posix().removeprefix("docs/")
        if inner == RESULTS:
            inner += "/index.md"
        elif (ROOT / inner).is_dir():
            inner += "/README.md"
        return f"]({up}{inner}{match[3] or ''})"

    return LINK.sub(led, markdown)


def _list(results: list[Path]) -> str:
    rows = [f"- [{path.read_text(encoding='utf-8').splitlines()[0].lstrip('# ')}]({path.name})" for path in results]
    how = (
        "Each page ends with the command, commit, seeds and data that it is from: [every table again](../../tables.md)."
    )
    return "\n".join(["# Measurements", "", how, "", *rows, ""])
