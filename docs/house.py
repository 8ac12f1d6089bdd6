"""Draw the rooms of the house from the code's imports: `python docs/house.py > docs/house.md` (a test compares them).

An arrow points to what is imported; one that a path of others implies is left out. One-liners are the packages' docstrings.
"""

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "rmt_alpha"
PAGE = """# The house

Rooms of `rmt_alpha/`, and which imports which (arrows that others imply are left out):

```{{mermaid}}
graph TD
{arrows}
```

| room | what |
|---|---|
{rooms}
"""


def rooms() -> dict[str, str]:
    """Room → the first sentence of its docstring; a module of the root is a room, but not the private ones."""
    found = {}
    for path in sorted(PACKAGE.iterdir()):
        source = path / "__init__.py" if path.is_dir() else path
        if source.suffix == ".py" and source.exists() and not path.name.startswith("_"):
            text = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""
            found[path.stem] = " ".join(text.split("\n\n")[0].split())
    return found


def imported(path: Path, names: set[str]) -> set[str]:
    """Rooms that a file imports, also inside functions."""
    inside = path.relative_to(PACKAGE).parts
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = (*inside[: len(inside) - node.level], *(node.module or "").split("."))
            found |= {base[0]} if base[0] else {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rmt_alpha."):
            found.add((node.module or "").split(".")[1])
    return found & names


def imports(names: set[str]) -> dict[str, set[str]]:
    """Room → rooms that it imports."""
    table: dict[str, set[str]] = {name: set() for name in names}
    for path in PACKAGE.rglob("*.py"):
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if room in names:
            table[room] |= imported(path, names) - {room}
    return table


def reach(table: dict[str, set[str]], start: str, without: tuple[str, str]) -> set[str]:
    """All rooms that a room leads to, without one arrow."""
    seen: set[str] = set()
    todo = [start]
    while todo:
        room = todo.pop()
        for other in table[room] - seen:
            if (room, other) != without:
                seen.add(other)
                todo.append(other)
    return seen


def page() -> str:
    """The page."""
    known = rooms()
    table = imports(set(known))
    arrows = [
        f"    {a} --> {b}"
        for a in sorted(table)
        for b in sorted(table[a])
        if b not in reach(table, a, without=(a, b))
    ]
    lines = [f"| `{name}` | {text} |" for name, text in known.items()]
    return PAGE.format(arrows="\n".join(arrows), rooms="\n".join(lines))


if __name__ == "__main__":
    print(page(), end="")
