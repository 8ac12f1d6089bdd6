"""What a run took, and on what it ran."""

from __future__ import annotations

import ctypes
import gc
import importlib.metadata
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

PACKAGES = ("rmt_alpha", "torch", "transformers", "peft", "numpy")


class PeakMemory:
    """The largest memory of this process since the object was made, in MB (10⁶ bytes): resident, or the GPU's."""

    def __init__(self) -> None:
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        else:
            _give_back()
            try:
                Path("/proc/self/clear_refs").write_text("5")  # Linux: begin counting the peak anew
            except OSError:
                pass  # elsewhere the peak is that of the whole process

    def megabytes(self) -> float:
        if torch.cuda.is_available():
            return torch.cuda.max_memory_allocated() / 1e6
        status = Path("/proc/self/status")
        if status.is_file():
            peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
            return int(peak.split()[1]) * 1024 / 1e6
        import resource  # Unix only

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def _give_back() -> None:
    """What earlier runs of this process have freed, to the system: glibc keeps it, and the next run's peak would count it."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def fast_bfloat16() -> bool:
    """Whether this machine multiplies in bfloat16 by hardware; where it must be emulated, a step takes more than ten times as long."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    has: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # older torch cannot tell
    return any(has.get(name, False) for name in ("amx_bf16", "avx512_bf16", "bf16"))


def processor() -> str:
    """What does the sums, with what it can: two of them round differently."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    model, cpus = platform.processor() or platform.machine(), Path("/proc/cpuinfo")
    if cpus.is_file():
        named = [
            line.partition(":")[2].strip() for line in cpus.read_text().splitlines() if line.startswith("model name")
        ]
        model = named[0] if named else model
    return f"{model}, {torch.backends.cpu.get_cpu_capability()}{', bfloat16' if fast_bfloat16() else ''}"


def environment() -> dict[str, Any]:
    """Versions, machine and command: what a reader needs to run it again."""
    return {
        "versions": {"python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in PACKAGES},
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else platform.machine(),
        "processor": processor(),
        "threads": torch.get_num_threads(),
        "command": _command(),
    }


def _command() -> str:
    """As it was typed, but for the folders of this machine."""
    program = Path(sys.argv[0])
    name = f"python -m {program.parent.name}" if program.name == "__main__.py" else program.name
    return " ".join([name, *(Path(a).name if a.startswith("/") else a for a in sys.argv[1:])])
