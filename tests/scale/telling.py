"""A progress that keeps what was said."""

from whenabouts.core.progress import Silent


class Telling(Silent):
    """Keeps what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)
