"""A real browser on a real server: Debian's Chromium, driven by Playwright; skipped with a reason without them."""

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from planted import planted_project
from serving import Served, chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="session")
def program() -> str:
    """The browser's program; without it, or without Playwright, tests are skipped with a plain reason."""
    pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install -c constraints.txt playwright")
    found = chromium()
    if found is None:
        pytest.skip("needs a browser: apt-get install chromium, or name one in WHENABOUTS_CHROMIUM")
    return found


@pytest.fixture(scope="module")
def browser(program: str) -> "Iterator[Browser]":
    """One Chromium for the tests of a file.

    Not for the session: while Playwright runs, no other test could call `asyncio.run`.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def planted(program: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that tests copy; it is made only where there is a browser to look at it."""
    return planted_project(tmp_path_factory.mktemp("planted") / "project").folder


@pytest.fixture(scope="session")
def looked_at(planted: Path) -> Iterator[Served]:
    """A server for tests that decide nothing."""
    served = Served(planted)
    yield served
    served.close()


@pytest.fixture(scope="session")
def copied(planted: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server on a copy of the project, for `decided_on`."""
    folder = tmp_path_factory.mktemp("copied") / "project"
    shutil.copytree(planted, folder, ignore=shutil.ignore_patterns("reviews.sqlite*"))
    served = Served(folder)
    yield served
    served.close()


@pytest.fixture
def decided_on(copied: Served) -> Iterator[Served]:
    """A server for one test that decides something; afterwards all that stands is undone."""
    copied.mark()
    yield copied
    copied.undo_all()


@pytest.fixture
def opened(browser: "Browser") -> "Iterator[Callable[..., Page]]":
    """Open pages; afterwards nothing may have complained, and nothing may have been asked of another machine.

    `refused` is the status of answers that a test brings about: the browser tells of such, and no page can keep it.
    """
    contexts, complaints, foreign = [], list[str](), list[str]()

    def open_page(served: Served, route: str = "", *, refused: int | None = None, **looks: Any) -> "Page":
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **looks})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        told = f"Failed to load resource: the server responded with a status of {refused} "
        page.on("console", lambda message: complaints.append(message.text)
                if message.type in ("error", "warning") and not message.text.startswith(told) else None)  # fmt: skip
        page.on("pageerror", lambda error: complaints.append(str(error)))
        context.on(
            "request", lambda asked: foreign.append(asked.url) if not asked.url.startswith(served.address) else None
        )
        page.goto(served.address + "/" + route)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
    assert foreign == []
