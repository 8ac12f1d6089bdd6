"""Sphinx: `sphinx-build -W --keep-going -n docs docs/_build/html`. Neither the build nor its pages need a network."""

import sys
from importlib.metadata import version as installed
from importlib.util import find_spec
from pathlib import Path

from vl_convert import javascript_bundle

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent)]  # the extensions below; the experiments, which are not installed

project = "rmt_alpha"
author = "the rmt_alpha developers"
copyright = author
release = version = installed("rmt_alpha")

extensions = [
    "myst_nb",  # Markdown, and notebooks as they were run
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "sphinxcontrib.bibtex",
    "sphinx_copybutton",
    "sphinx_design",
    "docstrings",
    "gallery",
    "notebooks",
]
exclude_patterns = ["_build"]
if find_spec("peft") is None:  # the adapters' page needs the extra lm; the others build without
    exclude_patterns.append("api/adapters.rst")
    suppress_warnings = ["toc.excluded"]

nb_execution_mode = "off"  # they were run when they were exported
nb_render_markdown_format = "myst"  # with formulas
myst_enable_extensions = ["colon_fence", "dollarmath", "deflist"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = "rmt_alpha"
# Formulas and the explorer are drawn by files of the pages' own. MathJax in one file, whose letters are paths, needs no fonts.
MATHJAX = Path(find_spec("mathjax").origin).parent / "static" / "mathjax" / "es5" / "tex-svg-full.js"
html_static_path = ["_static", str(MATHJAX)]
mathjax_path = MATHJAX.name
html_css_files = ["house.css"]
html_theme_options = {"navigation_with_keys": True}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

bibtex_bibfiles = ["references.bib"]
bibtex_default_style = "unsrt"
bibtex_reference_style = "author_year"

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
# Other projects' names: their inventories would have to be downloaded.
OTHERS = "Executor|collections|concurrent|jax|matplotlib|np|numpy|os|pandas|pathlib|pd|peft|sklearn|torch|transformers|xarray|xr"
INSIDE = r"Problem|Meaning|rmt_alpha\.(estimate\.(choose\.Estimate|scaling\.Scaling)|problem\.identity\.Meaning|theory\.(spectrum\.Bulk|mixture_spectrum\.MixtureBulk))"  # types that no page is about
nitpick_ignore_regex = [("py:.*", rf"({OTHERS})(\..*)?"), ("py:.*", INSIDE)]


def with_vega(app, error):
    alone = f"(() => {{{javascript_bundle(vl_version='6.4')}}})();"  # its names are none of the page's
    (Path(app.outdir) / "_static" / "vega.js").write_text(alone, "utf-8")


def setup(app):
    app.connect("build-finished", with_vega)
