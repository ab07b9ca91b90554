import pytest

from whenabouts.commands.console import Terminal


@pytest.mark.parametrize("text", ["1:23:45 or h:m:s", "videos/:smile:.mp4", "[bold]a[/bold]"])
def test_remarks_are_shown_as_they_are(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    Terminal(as_json=True).say(text)
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", text + "\n")
