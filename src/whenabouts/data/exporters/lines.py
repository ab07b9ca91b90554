"""Any text as one line that text formats and XML can hold, and back."""

import re

_ESCAPED = re.compile(r"\\(?:([\\nrt])|u([0-9a-f]{4}))")
_SIGNS = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\"}
_NAMES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\"}


def one_line(text: str) -> str:
    r"""Text for a format of lines or of XML: breaks as `\n`, other control signs as `\uXXXX`, `\` itself as `\\`.

    Blanks at both ends, which readers drop, are `\u0020`.

    >>> print(one_line("cake\n cutting"))
    cake\n cutting
    """
    line = "".join(_SIGNS.get(sign) or (sign if _plain(sign) else f"\\u{ord(sign):04x}") for sign in text)
    inner = line.strip(" ")
    before = len(line) - len(line.lstrip(" "))
    return "\\u0020" * before + inner + "\\u0020" * (len(line) - before - len(inner))


def whole(text: str) -> str:
    r"""Text that files can hold: bytes of a file's name that are no text as `\xe9`, other halves of signs as `\ud800`.

    >>> print(whole("caf\udce9.mp4"))
    caf\xe9.mp4
    """
    shown = re.sub("[\udc80-\udcff]", lambda found: f"\\x{ord(found[0]) - 0xDC00:02x}", text)
    return shown.encode("utf-8", "backslashreplace").decode()


def from_one_line(text: str) -> str:
    """What `one_line` was given."""
    return _ESCAPED.sub(lambda found: _NAMES[found[1]] if found[1] else chr(int(found[2], 16)), text)


def _plain(sign: str) -> bool:
    code = ord(sign)
    control = code < 32 or 127 <= code < 160 or sign in "\u2028\u2029"
    return not control and not 0xD800 <= code < 0xE000 and code not in (0xFFFE, 0xFFFF)
