"""One page per experiment, from what is committed: docstring, picture, remark, data, source. Nothing is run."""

import ast
import re
from pathlib import Path

from sphinx.application import Sphinx

from experiments import NAMES, ON_REQUEST

ROOT = Path(__file__).parents[2]
FIGURES = ROOT / "figures"
INDEX = """# Gallery

One experiment per picture: `python -m experiments NAME` makes it again. Where theory and simulation meet, lines are theory and points
simulation, with error bars.

::::{{grid}} 1 2 2 2
:gutter: 3

{cards}
::::

:::{{toctree}}
:hidden:

{names}
:::
"""
CARD = """:::{{grid-item-card}} {name}
:link: {name}
:link-type: doc
:img-top: {picture}
:img-alt: {name}

{summary}
:::
"""
PAGE = """# {name}

{docstring}

{pictures}

{remark}

Run it: `python -m experiments {name}`{note}

Data: {data}

:::{{literalinclude}} ../../experiments/{name}.py
:language: python
:caption: experiments/{name}.py
:::
"""


def remarks() -> dict[str, str]:
    """What figures/README.md says of each experiment, its remark and its largest |z|; and what those by name wrote."""
    texts = {}
    for line in (FIGURES / "README.md").read_text(encoding="utf-8").splitlines():
        cells = [c.strip() for c in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) == 6 and cells[0] in NAMES:
            name, _, comparisons, largest, bound, remark = cells
            remark = remark.partition("<br>")[2]  # the summary before it has a place of its own
            checked = (
                f" Largest |z| of {comparisons} comparisons: {largest} (bound {bound})."
                if bound not in ("–", "")
                else ""
            )
            texts[name] = f"{remark}{checked}"
    for name in ON_REQUEST:
        if (file := FIGURES / f"{name}.md").exists():
            texts[name] = file.read_text(encoding="utf-8").partition("\n\n")[2]
    return texts


def files(name: str, suffix: str) -> list[Path]:
    """An experiment's files: its own name, or its name and a part, unless that is another experiment."""
    others = [other for other in (*NAMES, *ON_REQUEST) if other != name and other.startswith(name)]
    found = [
        path for path in FIGURES.glob(f"{name}*.{suffix}") if path.stem == name or path.stem.startswith(f"{name}_")
    ]
    return sorted(p for p in found if not any(p.stem == o or p.stem.startswith(f"{o}_") for o in others))


def page(name: str, remark: str) -> tuple[str, str]:
    """The card in the index and the page of an experiment."""
    source = (ROOT / f"experiments/{name}.py").read_text(encoding="utf-8")
    docstring = ast.get_docstring(ast.parse(source)) or ""  # not imported: some need the extra lm
    summary = docstring.split("\n\n")[0].replace("\n", " ")
    pictures = [f"../../figures/{path.name}" for path in files(name, "png")]
    data = ", ".join(f"{{download}}`{p.name} <../../figures/{p.name}>`" for k in ("csv", "pdf") for p in files(name, k))
    note = f" (by name only: {ON_REQUEST[name]})." if name in ON_REQUEST else "."
    shown = "\n\n".join(f"![{name}]({picture})" for picture in pictures)
    return (
        CARD.format(name=name, picture=pictures[0], summary=summary),
        PAGE.format(name=name, docstring=docstring, pictures=shown, remark=remark, note=note, data=data),
    )


def write(path: Path, text: str) -> None:
    """Leave a file alone that has not changed: Sphinx then need not read it again."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def generate(app: Sphinx) -> None:
    """Write docs/gallery/."""
    folder = Path(app.srcdir) / "gallery"
    folder.mkdir(exist_ok=True)
    names = [name for name in (*NAMES, *ON_REQUEST) if files(name, "png")]
    for stale in {path.stem for path in folder.glob("*.md")} - {*names, "index"}:
        (folder / f"{stale}.md").unlink()
    said, cards = remarks(), []
    for name in names:
        card, text = page(name, said.get(name, ""))
        cards.append(card)
        write(folder / f"{name}.md", text)
    write(folder / "index.md", INDEX.format(cards="\n".join(cards), names="\n".join(names)))


def setup(app: Sphinx) -> dict:
    app.connect("builder-inited", generate)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
