"""Who may import whom: downward only, and rooms on one floor do not know each other."""

import ast
from pathlib import Path

import whenabouts

FLOORS = [
    {"__main__"},
    {"cli"},
    {"commands"},
    {"page", "scale"},
    {"localizers"},
    {"recognition"},
    {"data"},
    {"training", "media", "evaluation", "config"},
    {"nets", "core"},
]
HEIGHT = {room: len(FLOORS) - level for level, rooms in enumerate(FLOORS) for room in rooms}
ROOT = Path(whenabouts.__file__).parent


def rooms_imported(path: Path) -> set[str]:
    """Rooms of the package that one file imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "whenabouts":
            names = [f"whenabouts.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("whenabouts.")}
    return found - {"__version__"}


def test_imports_go_downward_only() -> None:
    files = sorted(ROOT.rglob("*.py"))
    assert len(files) > 10
    wrong = []
    for path in files:
        room = path.relative_to(ROOT).parts[0].removesuffix(".py")
        if room == "__init__":
            continue
        assert room in HEIGHT, f"{path.name} is in no room of the house: {room}"
        for other in rooms_imported(path) - {room}:
            nets_know_nothing = room == "nets"
            if HEIGHT[other] >= HEIGHT[room] or nets_know_nothing:
                wrong.append(f"{path.relative_to(ROOT)} imports {other}")
    assert not wrong


def test_every_room_is_a_package() -> None:
    """A folder without __init__.py may be one that .gitignore hides, and wheels leave those out."""
    rooms = {path.parent for path in ROOT.rglob("*.py")}
    assert {"demo", "doctor", "nets"} <= {room.name for room in rooms}
    assert [str(room) for room in rooms if not (room / "__init__.py").is_file()] == []


def test_relative_imports_hide_no_floor() -> None:
    hidden = [
        path.name
        for path in ROOT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.level > 0
    ]
    assert not hidden


def test_only_scale_knows_ray() -> None:
    """One machine needs nothing of it, and another engine would change one room."""
    importing = {
        path.relative_to(ROOT).parts[0]
        for path in ROOT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (isinstance(node, ast.Import) and any(alias.name.split(".")[0] == "ray" for alias in node.names))
        or (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "ray")
    }
    assert importing == {"scale"}
