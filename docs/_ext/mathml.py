"""Mathematics as MathML, translated when the pages are built: browsers draw it without scripts, fonts or a network.

The formulas of the docstrings are LaTeX with the mathematics' own letters in Unicode; math-core wants a few of these as commands.
"""

import html
import unicodedata

from docutils import nodes
from math_core import LatexToMathML
from sphinx.application import Sphinx

ACCENTS = {"\u0303": "tilde", "\u0304": "bar", "\u0302": "hat"}
SIGNS = str.maketrans({"⊥": r"\perp ", "⟂": r"\perp ", "∞": r"\infty ", "≥": r"\ge ", "≤": r"\le ", "≠": r"\ne "})
to_mathml = LatexToMathML()


def plain_latex(latex: str) -> str:
    """Letters with combining accents as commands: ᾱ is \\bar α."""
    letters: list[str] = []
    for letter in unicodedata.normalize("NFC", latex):
        base, *marks = unicodedata.normalize("NFD", letter)
        if letter in ACCENTS:  # of a letter that Unicode has no accented form of: X̂
            letters.append(rf"\{ACCENTS[letter]}{{{letters.pop()}}}")
        elif marks and marks[0] in ACCENTS:
            letters.append(rf"\{ACCENTS[marks[0]]}{{{base}}}")
        else:
            letters.append(letter)
    return "".join(letters).translate(SIGNS)


def mathml(latex: str, display: bool) -> str:
    """One formula; raises LatexError, which stops the build, where the translator does not know a command."""
    return to_mathml.convert_with_local_state(plain_latex(latex), displaystyle=display)


def visit_inline(self, node) -> None:
    self.body.append(mathml(node.astext(), display=False))
    raise nodes.SkipNode


def visit_block(self, node) -> None:
    latex = node.astext()
    if "\\\\" in latex and r"\begin" not in latex:
        latex = rf"\begin{{aligned}}{latex}\end{{aligned}}"
    # Blank lines part formulas, as in Sphinx's own renderers.
    parts = [part for part in latex.split("\n\n") if part.strip()]
    number = f'<span class="eqno">({html.escape(str(node["number"]))})</span>' if node["number"] else ""
    self.body.append(f'<div class="math">{number}{"".join(mathml(part, display=True) for part in parts)}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict:
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
