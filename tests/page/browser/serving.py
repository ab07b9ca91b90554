"""A project under a server of its own, and what another process reads from its database."""

import json
import os
import re
import select
import shutil
import sqlite3
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

PATIENCE_SECONDS = 60
NAMES = ("chromium", "chromium-browser", "google-chrome")


def chromium() -> str | None:
    """The browser's program: $WHENABOUTS_CHROMIUM, or what the system has; None without one."""
    return os.environ.get("WHENABOUTS_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


class Served:
    """A project under a server of its own."""

    def __init__(self, folder: Path, *, arguments: tuple[str, ...] = ()) -> None:
        self.folder, self.before = folder, 0
        command = [sys.executable, "-m", "whenabouts", "serve", "--project", str(folder), "--port", "0", *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.address = self._address()

    def _address(self) -> str:
        told, output = "", self.process.stdout
        assert output is not None
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            if select.select([output], [], [], 1.0)[0]:
                line = output.readline()
                told += line
                found = re.search(r"http://127\.0\.0\.1:\d+", line)
                if found:
                    return found[0]
        raise AssertionError(f"The server named no address: {told}")

    def stored(self, columns: str) -> list[tuple[Any, ...]]:
        """Columns of the decisions since `mark`, as another process than the server reads them."""
        return self._read(f"SELECT {columns} FROM reviews WHERE id > {self.before} ORDER BY id")

    def mark(self) -> None:
        """From now on `stored` leaves out what was decided before."""
        ((self.before,),) = self._read("SELECT COALESCE(MAX(id), 0) FROM reviews")

    def undo_all(self) -> None:
        """Undo every decision that stands."""
        for (number,) in self._read("SELECT id FROM reviews WHERE undone_step IS NULL ORDER BY id DESC"):
            body = json.dumps({"id": number, "alone": True}).encode()
            told = {"Content-Type": "application/json", "Origin": self.address}
            with urllib.request.urlopen(urllib.request.Request(f"{self.address}/api/reviews/undo", body, told)):
                pass

    def _read(self, query: str) -> list[tuple[Any, ...]]:
        base = sqlite3.connect(f"file:{self.folder / 'reviews.sqlite'}?mode=ro", uri=True)
        try:
            return base.execute(query).fetchall()
        finally:
            base.close()

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=PATIENCE_SECONDS)
        assert self.process.stdout is not None
        self.process.stdout.close()
