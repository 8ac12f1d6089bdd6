"""Every example runs: README, pages and docstrings; what is printed there is what is printed here.

Examples in docstrings may take `import numpy as np` and `from rmt_alpha import *` for granted, as the API's first page says.
"""

import ast
import contextlib
import doctest
import importlib
import importlib.util
import inspect
import io
import re
import shlex
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

import experiments
import rmt_alpha
from experiments.runner import disagreeing
from experiments.runner import run as run_experiment
from rmt_alpha.cli import main
from rmt_alpha.simulation.simulate import ENGINES

ROOT = Path(__file__).parent.parent
PAGES = [
    "README.md",
    *sorted(str(p.relative_to(ROOT)) for p in (ROOT / "docs").rglob("*.md") if p.parent.name != "gallery"),
]
MODULES = (
    "rmt_alpha", "rmt_alpha.problem.losses", "rmt_alpha.estimate", "rmt_alpha.data", "rmt_alpha.plotting",
    *(["rmt_alpha.adapters"] if importlib.util.find_spec("peft") else []),
)  # fmt: skip
FENCE = re.compile(r"^(<!-- not run: .+ -->\n)?```(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
PEFT = "default:`is_gradient_checkpointing`:FutureWarning"  # it calls what transformers deprecates
SHOWN = re.compile(r"\$ (rmt-alpha [^\n]*)\n(.*?)(?=^\$ |\Z)", re.MULTILINE | re.DOTALL)


def examples(page):
    """(line, language, text) of each block that is code to run."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for found in FENCE.finditer(text):
        excuse, language, body = found.groups()
        if not excuse:
            yield text[: found.start()].count("\n") + 1, language, body


PAGES = [
    page
    for page in PAGES
    if any(kind in ("python", "console") or "rmt-alpha " in body for _, kind, body in examples(page))
]


def run_python(body, names, where):
    """A session with prompts is compared with what it shows; code without is run."""
    if ">>>" not in body:
        exec(compile(body, where, "exec"), names)
        return
    said = io.StringIO()
    test = doctest.DocTestParser().get_doctest(body, names, where, where, 0)
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    runner.run(test, out=said.write, clear_globs=False)
    names.update(test.globs)
    assert not runner.failures, said.getvalue()


def run_shell(body):
    """Each `rmt-alpha …` succeeds; one after `$` prints what stands below it."""
    lines = [line for line in body.splitlines() if line.startswith("rmt-alpha ")]
    for command, shown in SHOWN.findall(body) or [(line, "") for line in lines]:
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            assert main(shlex.split(command)[1:]) == 0, command
        if shown.strip():
            assert doctest.OutputChecker().check_output(shown, said.getvalue(), FLAGS), f"{command}\n{said.getvalue()}"


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.filterwarnings(PEFT)
def test_page(page, tmp_path, monkeypatch):
    blocks = list(examples(page))
    if any("rmt_alpha.adapters" in body for _, _, body in blocks):
        pytest.importorskip("peft", reason="needs the extra: pip install -e '.[lm]'")
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    names = {"X": rng.standard_normal((40, 100)), "y": np.repeat([-1, 1], 20), "w": rng.standard_normal(100)}
    with mock.patch.dict(ENGINES):  # a page adds one
        for line, language, body in blocks:
            if language == "toml":
                Path("spec.toml").write_text(body, encoding="utf-8")
            elif language == "python":
                run_python(body, names, f"{page}:{line}")
            elif language in ("console", ""):
                run_shell(body)


def documented():
    """Public objects with an example in their docstring, by full name."""
    finder = doctest.DocTestFinder(recurse=True, exclude_empty=True)
    names = {"np": np, **{k: v for k, v in vars(rmt_alpha).items() if not k.startswith("_")}}
    for name in MODULES:
        module = importlib.import_module(name)
        own = {k: v for k, v in vars(module).items() if inspect.isclass(v) or inspect.isfunction(v)}
        for key, value in {"": module, **own}.items():
            if getattr(value, "__module__", name).startswith("rmt_alpha") and not key.startswith("_"):
                for test in finder.find(value, f"{name}.{key}".rstrip("."), module=False, globs=names | vars(module)):
                    if test.examples and (key or test.name == name):
                        yield test


@pytest.mark.filterwarnings(PEFT)
@pytest.mark.parametrize("test", [pytest.param(t, id=t.name) for t in documented()])
def test_docstring(test, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = io.StringIO()
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    runner.run(test, out=said.write)
    assert not runner.failures, said.getvalue()


def test_the_experiment_of_the_page_runs(tmp_path, monkeypatch):
    page = (ROOT / "docs/extending.md").read_text(encoding="utf-8")
    name, code = re.search(r":caption: experiments/(\w+)\.py\n\n(.*?)^```$", page, re.MULTILINE | re.DOTALL).groups()
    (tmp_path / f"{name}.py").write_text(code, encoding="utf-8")
    monkeypatch.setattr(experiments, "__path__", [*experiments.__path__, str(tmp_path)])
    outcome = run_experiment(name, tmp_path, trials=64, seed=0)
    assert outcome.state == "done", outcome
    assert {path.suffix for path in tmp_path.glob(f"{name}.*")} == {".py", ".csv", ".pdf", ".png"}
    assert not disagreeing([outcome])


def test_the_api_pages_list_every_public_name():
    listed = set(re.findall(r":: ([\w.]+)", "".join(p.read_text() for p in (ROOT / "docs/api").glob("*.rst"))))
    listed = {name.rsplit(".", 1)[-1] for name in listed}
    adapters = ast.parse((ROOT / "rmt_alpha/adapters/__init__.py").read_text(encoding="utf-8"))
    (exported,) = (n.value for n in adapters.body if isinstance(n, ast.Assign) and n.targets[0].id == "__all__")
    assert set(ast.literal_eval(exported)) <= listed
    public = {
        k
        for k, v in vars(importlib.import_module("rmt_alpha")).items()
        if not k.startswith("_") and not inspect.ismodule(v)
    }
    assert public <= listed
