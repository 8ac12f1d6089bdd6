"""What a shell does to a command: a reader that has seen enough, a full disk as standard output, Ctrl-C before anything has begun."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMAND = "import sys; sys.argv[0] = 'rmt-alpha'; from rmt_alpha_command import main; sys.exit(main())"
IMPATIENT = """
import os, signal, sys

class Impatient:
    def find_spec(self, name, *rest):
        if name == "rmt_alpha.theory":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Impatient())
from rmt_alpha_command import main
sys.exit(main())
"""


def run(*arguments, stdout):
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=120
    )


@pytest.mark.parametrize(
    "words",
    [
        ("-c", COMMAND, "--version"),
        ("-c", COMMAND, "simulate", "--help"),
        ("-c", COMMAND, "data", "list"),
        ("-m", "experiments", "--list"),
    ],
    ids=lambda words: " ".join(words[-2:]),
)
@pytest.mark.skipif(os.name == "nt", reason="Windows has no such pipes")
def test_a_reader_that_has_seen_enough(words):
    reader, writer = os.pipe()
    os.close(reader)
    done = run(*words, stdout=writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


def test_the_package_runs_as_the_command():
    as_module, as_script = (
        run(*words, "predict", "--betta", "1", stdout=-1) for words in (("-m", "rmt_alpha"), ("-c", COMMAND))
    )
    assert (as_module.returncode, as_module.stderr) == (as_script.returncode, as_script.stderr)
    assert (as_module.returncode, as_module.stdout) == (2, "") and "Did you mean --beta?" in as_module.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_disk_as_standard_output():
    with open("/dev/full", "w") as full:
        done = run("-c", COMMAND, "--version", stdout=full)
    assert done.returncode == 4
    assert done.stderr == "rmt-alpha: standard output cannot be written: [Errno 28] No space left on device\n"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such shell")
@pytest.mark.parametrize("words", [["--version"], ["--help"], ["data"], ["predict", "--beta", "0.5"]], ids=" ".join)
def test_no_standard_output_at_all(words):
    shell = ["sh", "-c", 'exec "$0" "$@" >&-', sys.executable, "-c", COMMAND, *words]
    done = subprocess.run(shell, cwd=ROOT, stderr=subprocess.PIPE, text=True, timeout=120)
    assert "Traceback" not in done.stderr and done.returncode in (0, 2)


@pytest.mark.skipif(shutil.which("bash") is None, reason="this system has no bash")
def test_tab_completes_commands(tmp_path):
    done = run("-c", COMMAND, "--tyro-print-completion", "bash", stdout=subprocess.PIPE)
    (tmp_path / "rmt-alpha").write_text(done.stdout, encoding="utf-8")
    ask = ". ./rmt-alpha; COMP_WORDS=(rmt-alpha opt) COMP_CWORD=1; $(complete -p rmt-alpha | cut -d' ' -f3); echo $COMPREPLY"
    said = subprocess.run(["bash", "-c", ask], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (said.stdout, said.stderr) == ("optimal-alpha\n", "")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT to send")
def test_an_interrupt_while_the_package_is_imported():
    done = run("-c", IMPATIENT, "--version", stdout=subprocess.PIPE)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_the_command_leaves_the_handler_as_it_was(capsys, monkeypatch):
    from rmt_alpha_command import main

    monkeypatch.setattr(sys, "argv", ["rmt-alpha", "--version"])
    before = signal.getsignal(signal.SIGINT)
    assert main() == 0 and capsys.readouterr().out.startswith("rmt-alpha ")
    assert signal.getsignal(signal.SIGINT) is before
