"""The rooms of the house, from the code: `python docs/house.py` draws docs/house.svg and fills the table in CONTRIBUTING.md.

An arrow points down to what is imported; one that a path of others implies is left out. One-liners are the packages' docstrings.
"""

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "rmt_alpha"
GUIDE = ROOT / "CONTRIBUTING.md"
PICTURE = ROOT / "docs" / "house.svg"
FIRST, LAST = "<!-- rooms: written by docs/house.py -->\n", "<!-- end of rooms -->\n"
BOX, GAP, LEVEL = (96, 26), 14, 74


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


def arrows(table: dict[str, set[str]]) -> list[tuple[str, str]]:
    """Imports that no others imply."""
    return [(a, b) for a in sorted(table) for b in sorted(table[a]) if b not in reach(table, a, without=(a, b))]


def picture(table: dict[str, set[str]]) -> str:
    """The drawing, as SVG: each room one level above the highest that it imports."""
    level: dict[str, int] = {}
    while len(level) < len(table):
        ready = [room for room in table if room not in level and table[room] <= set(level)]
        if not ready:
            raise ValueError(f"imports go in a circle among {sorted(set(table) - set(level))}")
        level |= {room: 1 + max((level[other] for other in table[room]), default=-1) for room in ready}
    rows = [sorted(room for room in table if level[room] == k) for k in range(max(level.values()), -1, -1)]
    width = max(map(len, rows)) * (BOX[0] + GAP) + GAP
    place = {}
    for k, row in enumerate(rows):
        left = (width - len(row) * (BOX[0] + GAP) + GAP) / 2
        place |= {room: (left + i * (BOX[0] + GAP), GAP + k * LEVEL) for i, room in enumerate(row)}
    height = GAP + (len(rows) - 1) * LEVEL + BOX[1] + GAP
    lines = [
        f'<path d="M{place[a][0] + BOX[0] / 2:g} {place[a][1] + BOX[1]:g} L{place[b][0] + BOX[0] / 2:g} {place[b][1] - 2:g}"/>'
        for a, b in arrows(table)
    ]
    boxes = [
        f'<rect x="{x:g}" y="{y:g}" width="{BOX[0]}" height="{BOX[1]}" rx="4"/>'
        f'<text x="{x + BOX[0] / 2:g}" y="{y + 17:g}">{room}</text>'
        for room, (x, y) in place.items()
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}">',
            "<style>rect { fill: #e8f1f8; stroke: #0072B2 } text { font: 13px sans-serif; text-anchor: middle }",
            "path { stroke: #666; stroke-width: 1.2; marker-end: url(#tip) }</style>",
            '<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
            '<polygon points="0 0, 8 4, 0 8" fill="#666"/></marker>',
            '<rect width="100%" height="100%" style="fill: white; stroke: none"/>',
            *lines,
            *boxes,
            "</svg>\n",
        ]
    )


def guide(text: str, known: dict[str, str]) -> str:
    """The contributors' guide with the table of rooms as it is."""
    before, _, rest = text.partition(FIRST)
    _, _, after = rest.partition(LAST)
    table = "".join(f"| `{name}` | {line} |\n" for name, line in known.items())
    return f"{before}{FIRST}| room | what |\n|---|---|\n{table}{LAST}{after}"


def drawn() -> tuple[str, str]:
    """What the picture and the guide have to be."""
    known = rooms()
    return picture(imports(set(known))), guide(GUIDE.read_text(encoding="utf-8"), known)


if __name__ == "__main__":
    svg, text = drawn()
    PICTURE.write_text(svg, encoding="utf-8")
    GUIDE.write_text(text, encoding="utf-8")
