"""Two processes, each with half of every batch, train what one process trains with all of it."""

import subprocess
import sys
from pathlib import Path

import pytest

REASON = "needs the extra: pip install -e '.[lm]'"
torch = pytest.importorskip("torch", reason=REASON)
pytest.importorskip("transformers", reason=REASON)
pytest.importorskip("peft", reason=REASON)

SCRIPT = Path(__file__).parent / "two_processes.py"


def trained(folder, world, kind):
    call = [str(world), str(folder / f"meeting{world}"), str(folder / f"out{world}"), kind]
    runs = [subprocess.Popen([sys.executable, SCRIPT, str(rank), *call]) for rank in range(world)]
    assert [run.wait(300) for run in runs] == [0] * world
    return torch.load(folder / f"out{world}", weights_only=True)


@pytest.mark.skipif(
    not torch.distributed.is_available() or not torch.distributed.is_gloo_available(), reason="needs torch's gloo"
)
@pytest.mark.parametrize("kind", ["two optimizers", "shared", "joint", "callback"])
def test_distributed_data_parallel_with_default_flags(tmp_path, kind):
    one, two = trained(tmp_path, 1, kind), trained(tmp_path, 2, kind)
    assert any("row_delta" in name and value.abs().max() > 0.05 for name, value in one.items())
    for name, value in one.items():
        # Adam divides by the root of tiny second moments, which makes much of what gloo rounds
        torch.testing.assert_close(two[name], value, atol=2e-5, rtol=1e-4, msg=name)
