"""`rmt-alpha` without `sweep` (test_sweep_command): the library's numbers, strict JSON, one line on bad input, verdicts."""

import csv
import dataclasses
import json
import os
import signal
import subprocess
import sys
import termios
import typing
from pathlib import Path

import numpy as np
import pytest

from rmt_alpha import TransferProblem, __version__, compare, optimal_alpha, predict, simulate
from rmt_alpha.cli import main, one_problem
from rmt_alpha.cli import validate as validation
from rmt_alpha.cli.entry import COMMANDS, in_flags
from rmt_alpha.cli.options import EXAMPLE, LossName, alphas, table
from rmt_alpha.cli.textplot import WIDTH, curve
from rmt_alpha.data import DataUnavailableError, files
from rmt_alpha.problem import NUMBERS
from rmt_alpha.problem.losses import LOSSES
from rmt_alpha.results import ZScores
from rmt_alpha.results.moments import moments
from rmt_alpha.simulation.noise import NOISE
from rmt_alpha.theory.localised import CHARACTERISTIC
from rmt_alpha.theory.published import published_form

NUMBERS_GIVEN = dict(
    n_source=300, n_target=1e2, dim=200, mu=1.0, mu_orth=0.5, beta=-0.25, gamma_source=0.5, gamma_target=2
)
OPTIONS = [word for name, value in NUMBERS_GIVEN.items() for word in (f"--{name.replace('_', '-')}", str(value))]
PROBLEM = TransferProblem(**NUMBERS_GIVEN)


def strictly(text):
    """JSON as the standard has it: no NaN, no Infinity, one line."""

    def refuse(constant):
        raise AssertionError(constant)

    assert text.count("\n") == 1
    return json.loads(text, parse_constant=refuse)


@pytest.fixture
def answer(capsys):
    def run(*arguments, status=0):
        assert main([*map(str, arguments), "--json"]) == status
        said = capsys.readouterr()
        assert said.err == ""
        return strictly(said.out)

    return run


@pytest.fixture
def text(capsys):
    def run(*arguments, status=0):
        assert main(list(map(str, arguments))) == status
        return capsys.readouterr().out

    return run


def test_options_are_the_library_s_own():
    assert tuple(f.name for f in dataclasses.fields(EXAMPLE)) == (*NUMBERS, "loss", "source_loss")
    assert set(LossName.__args__) == set(LOSSES)
    noise = typing.get_args(typing.get_type_hints(one_problem.simulate)["noise"])
    assert set(noise) == set(NOISE) == set(CHARACTERISTIC)


@pytest.mark.parametrize("loss", ["squared", "logistic"])
@pytest.mark.parametrize("alpha", [("-1", "0", "1e0"), ("-1:1:3",), ("-1", "0:1:2")])
def test_predict(answer, loss, alpha):
    said = answer("predict", *OPTIONS, "--alpha", *alpha, "--loss", loss)
    theory = predict(dataclasses.replace(PROBLEM, loss=loss), np.array([-1.0, 0.0, 1.0]))
    assert said["problem"] == {**NUMBERS_GIVEN, "n_target": 100} and said["alpha"] == [-1, 0, 1]
    for quantity in ("mean", "variance", "accuracy", "risk"):
        assert said[quantity] == getattr(theory, quantity).tolist()


def test_predict_for_people(text):
    said = text("predict", *OPTIONS, "--alpha", 0.5).splitlines()
    assert said[0].startswith("N = 300, n = 100, p = 200, ‖μ‖ = 1,")
    assert [float(v) for v in said[2].split()][3] == pytest.approx(predict(PROBLEM, 0.5).accuracy, rel=1e-5)


@pytest.mark.parametrize("losses", [{}, {"loss": "squared_hinge", "source_loss": "logistic"}])
def test_optimal_alpha(answer, losses):
    chosen = [word for name, value in losses.items() for word in (f"--{name.replace('_', '-')}", value)]
    problem = dataclasses.replace(PROBLEM, **losses)
    said, best = answer("optimal-alpha", *OPTIONS, *chosen), optimal_alpha(problem)
    zero, one = (predict(problem, alpha).accuracy for alpha in (0.0, 1.0))
    assert (said["alpha"], said["zero"], said["accuracy"]) == (best.alpha, best.zero, best.accuracy)
    assert (said["least_risk"], said["risk"], said["at_infinity"]) == (best.least_risk, best.risk, False)
    np.testing.assert_allclose((said["accuracy_at_0"], said["accuracy_at_1"]), (zero, one), rtol=1e-12)
    np.testing.assert_allclose(
        (said["gain_over_1"], said["gain_over_0"]), best.accuracy - np.array([one, zero]), atol=1e-12
    )


def test_infinite_alpha(answer, text, monkeypatch):
    blind = ["--mu", 0, "--mu-orth", 1, "--beta", 0]
    assert answer("optimal-alpha", *blind)["zero"] is None
    assert "−∞" in text("optimal-alpha", *blind) and "no α gives accuracy ½" in text("optimal-alpha", *blind)
    # Not met among the problems that the options can state under the squared loss (300 000 random ones), so made up here.
    infinite = dataclasses.replace(optimal_alpha(PROBLEM), alpha=-np.inf, at_infinity=True, direction=-1.0)
    monkeypatch.setattr(one_problem, "find_optimum", lambda problem: infinite)
    said = answer("optimal-alpha", *OPTIONS)
    assert (said["alpha"], said["at_infinity"], said["direction"]) == (None, True, -1)
    assert "−∞" in text("optimal-alpha", *OPTIONS, "--plot") and "approached" in text("optimal-alpha", *OPTIONS)


def test_the_plot_is_for_terminals(text, monkeypatch):
    assert "⠀" not in text("optimal-alpha", *OPTIONS)
    drawn = text("optimal-alpha", *OPTIONS, "--plot").splitlines()
    assert sum("┤" in line for line in drawn) == 12
    signs = next(line for line in drawn if set(line) <= set(" 01½*") and line.strip())
    best = optimal_alpha(PROBLEM)
    order = sorted([(0, "0"), (1, "1"), (best.zero, "½"), (best.alpha, "*")])
    assert "".join(signs.split()) == "".join(sign for _, sign in order)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert "┤" in text("optimal-alpha", *OPTIONS)
    assert "┤" not in text("optimal-alpha", *OPTIONS, "--json")


def test_curve():
    lines = curve([0, 1], [0, 1], {"x": 1.0, "y": 2.0}).splitlines()
    assert lines[0].startswith("  1.0000 ┤") and lines[11].startswith("  0.0000 ┤")
    assert len(lines[0]) == 10 + WIDTH and lines[0][-1] != "⠀" and lines[11][10] != "⠀"  # it rises
    assert lines[13].index("x") == 10 + WIDTH - 1 and "y" not in lines[13]
    assert "⠀" * WIDTH not in curve([0, 1], [0.5, 0.5], {}).splitlines()[0]  # flat is no division by zero


def test_tables_count_columns_as_terminals_do():
    assert table(["γ̃", "n"], [["10", 3]]) == " γ̃  n\n10  3"


def test_tables_fit_the_terminal(monkeypatch):
    numbers = [f"c{i}" for i in range(9)], [[float(i) for i in range(9)]]
    words = ["file", "where"], [["a.txt", "to fetch from somewhere that is rather far away"], ["b", ""]]
    assert table(*numbers).count("\n") == 1  # a pipe has no width
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.setenv("LINES", "24")
    blocks = table(*numbers).split("\n\n")
    assert len(blocks) == 2 and all(len(line) <= 30 for block in blocks for line in block.splitlines())
    assert [block.split()[0] for block in blocks] == ["c0", "c0"]  # which row it is
    assert "".join(blocks).count("c8") == 1
    wrapped = table(*words, left=True).splitlines()
    assert max(map(len, wrapped)) <= 30 and wrapped[2].startswith("       ") and wrapped[-1] == "b"


@pytest.mark.parametrize(
    ("words", "values"), [(("1",), [1]), (("-2:3:6", "9"), [-2, -1, 0, 1, 2, 3, 9]), ((" -1e1:-5:2",), [-10, -5])]
)
def test_ranges_of_alpha(words, values):
    assert alphas(words).tolist() == values


def test_simulate(answer):
    said = answer(
        "simulate", *OPTIONS, "--alpha", 0, 2, "--n-trials", 50, "--seed", 3, "--method", "dense", "--noise", "student"
    )
    alpha = np.array([0.0, 2.0])
    drawn = simulate(PROBLEM, alpha, n_trials=50, seed=3, method="dense", noise="student")
    assert (said["method"], said["n_trials"], said["seed"]) == ("dense", 50, 3)
    z = compare(predict(PROBLEM, alpha), drawn)
    for quantity in ("mean", "variance", "accuracy", "risk"):
        assert said[quantity] == getattr(drawn, quantity).tolist()
        assert said[f"{quantity}_se"] == getattr(drawn, f"{quantity}_se").tolist()
        assert said["z"][quantity] == getattr(z, quantity).tolist()


def test_simulate_for_people(text):
    said = text("simulate", *OPTIONS, "--alpha", 1, "--n-trials", 20)
    assert "20 trials, chain engine, seed 0" in said and len(said.splitlines()) == 3 + 4


FEW = ("--n-problems", 40, "--n-trials", 1000)


def test_validate(answer, text):
    said = answer("validate", *FEW)
    assert said["passed"] and said == answer("validate", *FEW)  # the seed decides everything
    z = np.array([said["z"][quantity] for quantity in ("mean", "variance", "accuracy", "risk")])
    assert z.shape == (4, 40) and said["largest"] == np.abs(z).max()
    assert said["beyond_2"] == np.mean(np.abs(z) > 2) and 0.005 <= min(said["p_largest"], said["p_law"]) <= 1
    # One of the problems, the library's way: the z-scores are those of `compare`.
    cell = TransferProblem(**{name: values[7] for name, values in said["problem"].items()})
    drawn = simulate(cell, said["alpha"][7], n_trials=1000, seed=0, method="chain")
    assert compare(predict(cell, said["alpha"][7]), drawn).variance == pytest.approx(z[1, 7], rel=1e-9)
    brief, long = text("validate", *FEW).splitlines(), text("validate", *FEW, "--verbose", "--workers", 2).splitlines()
    assert brief[0].startswith("verdict: theory and simulation agree") and len(brief) == 5
    assert long[:5] == brief and len(long) == 5 + 1 + 1 + 40 and long[-1].split()[0] == "40"
    assert answer("validate", *FEW, "--seed", 1)["z"] != said["z"]


def test_validate_covers_the_range():
    problem = validation.random_problems(np.random.default_rng(0), 1000, 10**6)
    for ratio in (problem.aspect_source, problem.aspect_target):
        assert ratio.min() < 0.06 and ratio.max() > 17
    for gamma in (problem.gamma_source, problem.gamma_target):
        assert gamma.min() < 2e-3 and gamma.max() > 50


def with_the_published_slip(problem, alpha):
    """The published second moment of w̃, where it leaves the score a variance."""
    right, M = predict(problem, alpha), published_form(problem).M
    variance = M[0, 0] + 2 * alpha * M[0, 1] + alpha**2 * M[1, 1]
    return moments(right.mean, np.where(variance > 0, variance, right.variance))


def one_in_ten(problem, alpha):
    """The variance is a per cent too large, in one problem of ten."""
    right = predict(problem, alpha)
    wrong = np.where(np.arange(len(alpha)) % 10 == 0, 1.01, 1.0) * right.variance
    return dataclasses.replace(right, variance=wrong)


def slightly_off(problem, alpha):
    """Every mean too large by one standard error or so: no single |z| is striking, their law is."""
    right = predict(problem, alpha)
    drawn = simulate(problem, alpha, n_trials=1000, seed=99, method="chain")
    return dataclasses.replace(right, mean=right.mean + drawn.mean_se)


@pytest.mark.parametrize(
    ("theory", "by"), [(with_the_published_slip, "p_largest"), (one_in_ten, "p_largest"), (slightly_off, "p_law")]
)
def test_validate_catches_a_wrong_theory(answer, text, monkeypatch, theory, by):
    monkeypatch.setattr(validation, "predict", theory)
    said = answer("validate", *FEW, status=1)
    assert not said["passed"] and said[by] < 1e-3
    assert "DISAGREE" in text("validate", *FEW, status=1)


def test_validate_does_not_cry_wolf(monkeypatch):
    """z-scores made of true noise: rejected about as often as `level` says, whatever their number."""
    rng = np.random.default_rng(0)
    monkeypatch.setattr(validation, "simulate", lambda *args, **options: None)

    def noise(theory, _):
        return ZScores(*rng.standard_normal((4, 50)))

    monkeypatch.setattr(validation, "compare", noise)
    rejected = sum(not validation.run(50, 1000, 10**6, 0, 0.2).passed for _ in range(200))
    assert 15 <= rejected <= 60  # 40 at most expected, but for chance


def test_a_map_has_the_axes_asked_for(answer, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr("rmt_alpha.plotting.to_bytes", lambda fig, kind: drawn.append(fig) or b"")
    words = "map", "n-target", "mu", "--cells", 5, "--x-scale", "linear", "--y-scale", "log", "--out", tmp_path / "m"
    answer(*words)
    assert {(ax.get_xscale(), ax.get_yscale()) for ax in drawn[0].axes[:2]} == {("linear", "log")}


def test_map(answer, tmp_path):
    said = answer(
        "map", "n-target", "beta", *OPTIONS, "--y-range", -0.5, 1, "--cells", 7, "--out", tmp_path / "new" / "map.pdf"
    )
    assert said["files"] == [str(tmp_path / "new" / f"map.{kind}") for kind in ("csv", "pdf", "png")]
    content = [Path(path).read_bytes() for path in said["files"]]
    assert content[1].startswith(b"%PDF") and content[2].startswith(b"\x89PNG")
    with open(said["files"][0], newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 49 == said["shape"][0] * said["shape"][1]
    assert {float(row["beta"]) for row in rows} == set(np.linspace(-0.5, 1, 7))
    for row in rows[::5]:
        cell = TransferProblem(**{**NUMBERS_GIVEN, "n_target": float(row["n_target"]), "beta": float(row["beta"])})
        best, one = optimal_alpha(cell), predict(cell, 1.0).accuracy
        assert float(row["alpha"]) == pytest.approx(best.alpha, rel=1e-12)
        assert float(row["gain_over_1"]) == pytest.approx(best.accuracy - one, rel=1e-9, abs=1e-12)
    assert said["largest_gain"] == max(float(row["gain_over_1"]) for row in rows)


@pytest.fixture
def shelf(monkeypatch, tmp_path):
    """A data folder with a wrong file, an empty cache and no network."""
    import pooch

    def refuse(*args, **kwargs):
        raise ConnectionError("no network")

    monkeypatch.setattr(pooch, "retrieve", refuse)
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "cache")
    monkeypatch.setenv(files.VARIABLE, str(tmp_path))
    (tmp_path / "amazon_review").mkdir()
    (tmp_path / "amazon_review" / "dvd.mat").write_bytes(b"not what it was")
    return tmp_path


def states(said):
    return {file["relative"]: file["state"] for file in said["files"]}


def test_data(answer, text, shelf):
    listed = states(answer("data", "list"))
    assert (
        len(listed) == 37
        and listed["amazon_review/dvd.mat"] == "here"
        and listed["amazon_review/elec.mat"] == "missing"
    )
    assert states(answer("data", "verify", status=1)) == {**listed, "amazon_review/dvd.mat": "wrong"}
    assert states(answer("data", "verify", "uci_sentences/imdb.tsv.gz", status=1)) == {
        "uci_sentences/imdb.tsv.gz": "missing"
    }
    fetched = states(answer("data", "fetch", status=1))
    assert {name: state for name, state in fetched.items() if name.startswith("amazon")} == {
        f"amazon_review/{d}.mat": "unavailable" if d != "dvd" else "wrong" for d in ("books", "dvd", "elec", "kitchen")
    }
    assert {state for name, state in fetched.items() if name.startswith("glue")} == {"unavailable"}
    assert "this project's own packing" in text("data", "fetch", "vader_domains", status=1)


def test_right_data(answer, shelf, monkeypatch):
    import hashlib

    from rmt_alpha.data.catalogue import CATALOGUE

    path = shelf / "amazon_review" / "dvd.mat"
    right = dataclasses.replace(
        CATALOGUE["amazon_review/dvd.mat"], sha256=hashlib.sha256(path.read_bytes()).hexdigest()
    )
    monkeypatch.setitem(CATALOGUE, right.relative, right)
    for action in ("verify", "fetch"):
        (file,) = answer("data", action, right.relative)["files"]
        assert (file["state"], file["path"]) == ("right", str(path))
    # In the cache it is found as well.
    (shelf / "cache").mkdir()
    path.rename(shelf / "cache" / "amazon_review-dvd.mat")
    assert states(answer("data", "verify", right.relative)) == {right.relative: "right"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", f"Expected one of {{{', '.join(COMMANDS)}}}. See"),
        ("predikt", "finetune, data, explore, got 'predikt'. Did you mean 'predict'?"),
        ("xyzzy", "got 'xyzzy'. See rmt-alpha --help."),
        ("predict --beta 2", "--beta must lie in [-1, 1], got 2. It is a cosine."),
        ("predict --beta x", "--beta must be a number, got 'x'. See rmt-alpha --help"),
        ("predict --betta 1", "no option --betta. Did you mean --beta?"),
        ("predict --gamma-sorce 1", "Did you mean --gamma-source?"),
        ("predict --n 40", "Did you mean --n-source or --n-target?"),
        ("predict --dim", "Missing value for argument '--dim'"),
        ("predict --alpha", "--alpha must be one number or more"),
        ("predict --alpha nan", "--alpha must lie in"),
        ("predict --alpha one", "--alpha must be a number or FROM:TO:COUNT, got 'one'"),
        ("predict --alpha -2:3", "--alpha must be a number or FROM:TO:COUNT, got '-2:3'"),
        ("predict --alpha 0:1:1", "--alpha must have a whole COUNT in [2, 10000], got '0:1:1'"),
        ("predict --alpha 0:1:1e9", "--alpha must have a whole COUNT in [2, 10000]"),
        ("predict --loss cubic", "--loss must be one of 'squared', 'logistic', 'squared_hinge', 'huber', got 'cubic'. See"),
        ("predict --loss logistc", "got 'logistc'. Did you mean 'logistic'?"),
        ("predict --loss logistic --gamma-target 0", "--gamma-target must lie in"),
        ("optimal-alpha --n-target 4.5", "--n-target must be a whole number of at least 1, got 4.5. Round it first."),
        ("optimal-alpha --gamma-target 0 --n-target 1000 --json", "--gamma-target must be positive where --n-target equals"),
        ("simulate --n-trials 1", "--n-trials must lie in [2,"),
        ("simulate --workers 0", "--workers must lie in [1, 1000], got 0"),
        ("simulate --workers 1e9", "--workers must lie in [1, 1000], got 1e+09"),
        ("validate --workers 1e9", "--workers must lie in [1, 1000], got 1e+09"),
        ("map beta mu --cells 1e9", "--cells must lie in [2, 2000], got 1e+09"),
        ("simulate --method chain --noise student", "--method 'chain' needs Gaussian noise, which this problem lacks. Use --method dense."),
        ("validate --n-problems 3", "--n-problems must lie in [10,"),
        ("validate --dim 1e5", "--dim must be at least 500 times --n-trials, 512000, got 100000"),
        ("validate --level 1", "--level must lie between 0 and 1, got 1"),
        ("map beta", "rmt-alpha: Y must be given, got nothing. See"),
        ("sweep", "rmt-alpha: PATH, --store must be given"),
        ("map beta gama", "Y must be one of 'n-source', 'n-target', "),
        ("map bta mu", "got 'bta'. Did you mean 'beta'?"),
        ("map beta beta", "Y must be another parameter than X, got 'beta' twice"),
        ("map beta gamma-target --y-range 0 1", "--y-range must be two finite numbers with 0 < low < high"),
        ("map beta n-target --y-range 7 7.1", "--y-range must hold two whole numbers at least, got 7 7.1"),
        ("map beta mu --out {tmp}/file/map --cells 3", "--out must be a place that can be written to"),
        ("data sell", "action must be one of 'list', 'fetch', 'verify', got 'sell'"),
        ("data lst", "Did you mean 'list'?"),
        ("--versoin", "no option --versoin. Did you mean --version?"),
        ("data list films", "names must be files or folders that 'rmt-alpha data list' shows, got 'films'"),
    ],
)  # fmt: skip
def test_bad_input(capsys, tmp_path, arguments, message):
    (tmp_path / "file").write_text("")
    assert main([word.format(tmp=tmp_path) for word in arguments.split()]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("rmt-alpha: ") and message in said.err and said.err.count("\n") == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_json_and_defaults(capsys, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    said = capsys.readouterr().out
    assert not stop.value.code and "--json" in said and "(default: " in said
    if command in ("predict", "optimal-alpha", "simulate", "map"):
        assert "in noise standard deviations. (default: 0.8)" in said and "a count. (default: 5000)" in said
        assert "--source-loss {squared,logistic" in said
    assert ("--workers" in said) == (command in ("simulate", "validate", "sweep"))


def test_a_quick_start():
    """What takes long to import waits until it is used; and it works from a real shell, whatever reads the output."""
    code = """if True:
        import sys
        from rmt_alpha.cli import main
        status = main(["predict"])
        slow = {"matplotlib", "xarray", "pandas", "sklearn", "scipy.stats", "scipy.io", "pooch", "loky"} & set(sys.modules)
        sys.exit(f"imported {slow}" if slow else status)
    """
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONIOENCODING": "ascii"}
    )
    assert (done.returncode, done.stderr) == (0, "") and "n = 40" in done.stdout


def test_a_closed_pipe_is_no_error():
    code = "import sys; sys.stdin.read(); from rmt_alpha.cli import main; sys.exit(main(['predict']))"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1, stderr=-1, text=True)
    process.stdout.close()
    process.stdin.close()
    assert process.wait(timeout=60) == 141 and process.stderr.read() == ""
    process.stderr.close()


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_one_line_from_a_real_shell(encoding):
    code = "import sys; from rmt_alpha.cli import main; sys.exit(main())"
    run = lambda *words: subprocess.run(  # noqa: E731
        [sys.executable, "-c", code, *words], capture_output=True, text=True, env={"PYTHONIOENCODING": encoding}
    )
    done = run("predict", "--betta", "1")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "rmt-alpha: no option --betta. Did you mean --beta?\n"
    assert (run("predict", "--help").returncode, run("predict", "--help").stderr) == (0, "")


def test_version(text):
    assert text("--version") == f"rmt-alpha {__version__}\n"


@pytest.mark.parametrize(
    ("message", "words", "said"),
    [
        ("n_source must be, n_target too", ["predict"], "--n-source must be, --n-target too"),
        ("alpha must lie; the alpha", ["predict"], "--alpha must lie; the alpha"),
        ("Use method='dense' or workers=1.", ["simulate"], "Use --method dense or --workers 1."),
        ("n_source must be", ["sweep"], "n_source must be"),  # a key of the file, and no option
        ("spec must be TOML", ["sweep"], "spec must be TOML"),
        ("n_source must be", [], "n_source must be"),
    ],
)
def test_messages_speak_of_flags(message, words, said):
    assert in_flags(message, words) == said


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (MemoryError("Unable to allocate 8 EiB"), 4, "out of memory: Unable to allocate 8 EiB. Ask for less"),
        (OSError(28, "No space left on device", "/x"), 4, "No space left on device"),
        (OSError("no such place"), 2, "no such place"),
        (DataUnavailableError("model 'x' cannot be had"), 1, "model 'x' cannot be had"),
        (KeyboardInterrupt(), 130, "interrupted."),
        (FloatingPointError("left the range"), 2, "left the range"),
    ],
)
def test_exit_status_says_whose_fault_it_is(capsys, monkeypatch, error, status, said):
    def fail(*args):
        raise error

    monkeypatch.setattr(one_problem, "predict_problem", fail)
    assert main(["predict"]) == status
    shown = capsys.readouterr().err
    assert said in shown and shown.count("\n") == 1


def test_a_cause_is_found_where_it_is_explained(capsys, monkeypatch):
    def fail(*args):
        try:
            raise OSError(28, "No space left on device")
        except OSError as error:
            raise OSError("store could not be written") from error

    monkeypatch.setattr(one_problem, "predict_problem", fail)
    assert main(["predict"]) == 4


def on_terminal(*words, environment=None, interrupt_after=None):
    """(status, what a terminal of 80 columns shows) of the command."""
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    code = "import sys; from rmt_alpha.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, *map(str, words)]
    process = subprocess.Popen(
        command, stdout=theirs, stderr=theirs, start_new_session=True, env=os.environ | (environment or {})
    )
    os.close(theirs)
    shown = bytearray()
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # the terminal is closed
            break
        if not piece:
            break
        shown.extend(piece)
        if interrupt_after is not None and interrupt_after in shown:
            os.killpg(process.pid, signal.SIGINT)
            os.killpg(process.pid, signal.SIGINT)  # people press it twice
            interrupt_after = None
    os.close(ours)
    return process.wait(30), shown.decode()


def test_no_color():
    assert "\x1b[" not in on_terminal("predict", "--help", environment={"NO_COLOR": "1"})[1]
    assert "\x1b[" not in on_terminal("predict", "--betta", environment={"NO_COLOR": "1"})[1]


@pytest.mark.parametrize("workers", [1, 2])
def test_progress_and_ctrl_c(workers):
    """What takes longer than two seconds shows a bar; Ctrl-C, twice, ends it in one line."""
    status, shown = on_terminal("simulate", "--n-trials", "1e7", "--workers", workers, interrupt_after=b"piece/s")
    assert status == 130 and "Traceback" not in shown and "simulate:" in shown
    assert shown.rstrip().endswith("rmt-alpha: interrupted.")
