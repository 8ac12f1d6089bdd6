"""The house's docstrings for Sphinx: Markdown tables, single backticks and indented code become reStructuredText.

They are written to be read in a terminal. A name in backticks that is public becomes a link, any other stays code.
"""

import importlib.util
import inspect
import re
from importlib import import_module

from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx

MODULES = ("rmt_alpha", "rmt_alpha.estimate", "rmt_alpha.data", "rmt_alpha.plotting")
ADAPTERS = ["rmt_alpha.adapters"] if importlib.util.find_spec("peft") else []  # needs the extra lm
CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
# What reStructuredText would take for markup: |x|, a_ and lone stars, but not *words in italics*.
ACCIDENTS = re.compile(r"(\*\w[\w ]*\*)|(\||\*|(?<=\w)_(?!\w))")
LINKS = (
    (re.compile(r"(?:docs/)?theory\.md"), r":doc:`theory.md </theory>`"),
    (re.compile(r"(?:docs/)?alpha_from_data\.md"), r":doc:`alpha_from_data.md </alpha_from_data>`"),
    (re.compile(r"arXiv (\d{4}\.\d{5})"), r"`arXiv \1 <https://arxiv.org/abs/\1>`__"),
)


def public_names() -> dict[str, str]:
    """Name → full name under which the API pages document it."""
    names: dict[str, str] = {}
    for module in (*MODULES, *ADAPTERS):
        for name, value in vars(import_module(module)).items():
            if not name.startswith("_") and not inspect.ismodule(value):
                names.setdefault(name, f"{module}.{name}")
    return names


PUBLIC = public_names()


def convert(lines: list[str]) -> list[str]:
    """One docstring."""
    out: list[str] = []
    in_directive = False
    for i, line in enumerate(lines):
        text, indented = line.strip(), line.startswith("    ")
        before = lines[i - 1].strip() if i else ""
        if text and not indented:
            in_directive = text.startswith("..")
        if is_row(line):
            if not is_row(before):
                out += ["", ".. list-table::", "   :header-rows: 1", ""]
            if not set(text) <= set("|-: "):
                cells = re.split(r"\s\|\s", text[1:-1].strip())
                out += [f"   {'*' if j == 0 else ' '} - {prose(cell)}" for j, cell in enumerate(cells)]
        elif in_directive or is_session(lines, i):
            out.append(line)
        elif indented and text:
            if not before and not continues_code(lines, i):
                out += ["::", ""]
            out.append(line)
        else:
            out.append(prose(line))
    return out


def is_row(line: str) -> bool:
    """Is it a row of a Markdown table?"""
    text = line.strip()
    return text.startswith(("| ", "|---")) and text.endswith("|")


def is_session(lines: list[str], i: int) -> bool:
    """Is it a line of an example, or of what that prints? Both end with a blank line."""
    first = max((j for j in range(i + 1) if not lines[j].strip()), default=-1) + 1
    return any(line.lstrip().startswith(">>>") for line in lines[first : i + 1])


def continues_code(lines: list[str], i: int) -> bool:
    """Does an indented line continue an indented block after a blank line?"""
    earlier = [line for line in lines[:i] if line.strip()]
    return bool(earlier) and earlier[-1].startswith("    ")


def prose(text: str) -> str:
    """Code in backticks, links to what is public, and no reStructuredText by accident."""
    parts = CODE.split(text)
    for i in range(0, len(parts), 2):
        parts[i] = ACCIDENTS.sub(lambda found: found[1] or "\\" + found[2], parts[i])
        for pattern, link in LINKS:
            parts[i] = pattern.sub(link, parts[i])
    for i in range(1, len(parts), 2):
        name = parts[i].split("(")[0].removeprefix("rmt_alpha.")
        head = name.split(".")[0]
        known = head in PUBLIC and re.fullmatch(r"[\w.]+", name)
        target = PUBLIC.get(head, "") + name[len(head) :]
        parts[i] = f":py:obj:`{parts[i]} <{target}>`" if known else f"``{parts[i]}``"
    return "".join(parts)


def on_docstring(app, what, name, obj, options, lines) -> None:
    lines[:] = convert(lines)


def resolve(app: Sphinx, env, node: pending_xref, contnode):
    """Names in signatures are those of the defining modules; the pages know the public ones."""
    target = PUBLIC.get(node.get("reftarget", "").rsplit(".", 1)[-1])
    if node.get("refdomain") != "py" or target is None or target == node["reftarget"]:
        return None
    domain = env.get_domain("py")
    return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", target, node, contnode)


def setup(app: Sphinx) -> dict:
    app.connect("autodoc-process-docstring", on_docstring, priority=400)
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
