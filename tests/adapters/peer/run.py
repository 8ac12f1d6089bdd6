"""peft's own tests of LoRA with α-LoRA in its place: `python tests/adapters/peer/run.py peft-0.21.2` (an unpacked source distribution).

Fetches nothing: `pip download --no-deps --no-binary :all: peft` gives the distribution; its tests import `attrs`, `datasets`, `diffusers` and
`parameterized`; the models that they want from the hub are tiny ones with random weights (`hub.py`), and a test that wants another, or what
its weights know, fails with LoRA too. Prints how many pass, are skipped, fail with LoRA too, are refused by name as they should be, and
fail otherwise. Each of the last needs a sentence in KNOWN; exit status 1 where one has none.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import hub

HERE = Path(__file__).parent
FILES = ("custom_models", "decoder_models", "feature_extraction_models", "seq_classifier", "lora_variants", "initialization",
         "low_level_api", "other", "tuners_utils", "loraplus", "lorafa", "mixed")  # fmt: skip
# What α-LoRA says no to, in its own words.
REFUSED = (
    "for α-LoRA, got", "cannot be combined with α-LoRA", "α-LoRA cannot be combined with", "An α-LoRA layer takes further",
    "which cannot share a layer with α-LoRA", "α-LoRA cannot be merged into a quantised weight",
)  # fmt: skip
# Failures of its own, by a pattern of the test's name: why they are meant.
KNOWN = {
    "test_adapter_dtype_autocast.*False-|test_add_adapter_no_autocast": "δ stays in float32 where autocast_adapter_dtype=False casts A and B to the base model's type",
    "test_repr_lora_(linear|conv1d)": "the layer is called lora.AlphaLoraLinear",
    "test_modules_to_save_targets_lora_layer_raises": "the layer's class is named in the message",
    "TestRequiresGrad::test_requires_grad_lora": "the test lists the names of all parameters: δ is one more",
    "TestLoraVariants::test_(unregistered|invalid|unsorted)": "the test's own layer class knows no row_scale, and says so",
    "TestDynamicDispatch::test_override_lora_linear": "a layer class that was registered in the place of LoRA's own knows no α: α-LoRA takes its own",
    "TestMixedAdapterTypes": "peft's mixed models (LoRA with LoHa, OFT, … in one) build peft's own layers, which refuse row_scale",
    "test_lorafa": "peft's LoRA-FA optimiser takes parameters with 'lora' in their names two by two; use param_groups",
}


def main() -> int:
    source = Path(sys.argv[1] if len(sys.argv) > 1 else "peft")
    tests = [source / "tests" / f"test_{name}.py" for name in FILES if (source / "tests" / f"test_{name}.py").is_file()]
    if not tests:
        print(f"skipped: {source / 'tests'} holds no tests of peft. Name an unpacked source distribution.")
        return 0
    with tempfile.TemporaryDirectory() as cache:
        hub.fill(Path(cache))
        return report(
            source,
            [str(t.relative_to(source)) for t in tests],
            {"HF_HUB_CACHE": cache, "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"},
        )


def report(source: Path, tests: list[str], models: dict[str, str]) -> int:
    held = {r["test"]: r for r in run(source, tests, models, sys.argv[2:])}
    broken = [name for name, r in held.items() if r["outcome"] == "not collected"]
    failed = [name for name, r in held.items() if r["outcome"] == "failed"]
    refused = {name for name in failed if any(words in held[name]["why"] for words in REFUSED)}
    asked = [name for name in failed if name not in refused]
    plain = with_lora(source, asked, models) if asked else set()
    own = [name for name in asked if name not in plain]
    explained = {name: why for name in own for pattern, why in KNOWN.items() if re.search(pattern, name)}
    outcomes = Counter(r["outcome"] for r in held.values())
    print(
        f"pass {outcomes['passed']}, skipped {outcomes['skipped']}, LoRA fails too {len(plain)}, refused {len(refused)}, own {len(own)}"
    )
    for why, names in sorted({why: [n for n in own if explained.get(n) == why] for why in explained.values()}.items()):
        print(f"{len(names):5}  {why}")
    for name in own:
        if name not in explained:
            print(f"unexplained: {name}\n    {held[name]['why'].strip().splitlines()[-1][:200]}")
    for name in broken:
        print(f"not collected: {name}\n    {held[name]['why'].strip().splitlines()[-1][:200]}")
    return int(bool(broken) or any(name not in explained for name in own))


def with_lora(source: Path, tests: list[str], models: dict[str, str]) -> set[str]:
    """Those of the tests that fail with plain LoRA too, where LoraConfig stands in a name for AlphaLoraConfig."""
    names = {name.replace("AlphaLora", "Lora"): name for name in tests}
    outcomes = {r["test"]: r["outcome"] for r in run(source, list(names), models, ["--plain"])}
    if missing := names.keys() - outcomes.keys():
        raise SystemExit(f"{len(missing)} tests were not run again with plain LoRA, {min(missing)} for one.")
    return {names[name] for name, outcome in outcomes.items() if outcome == "failed"}


def run(source: Path, tests: list[str], models: dict[str, str], more: list[str]) -> list[dict[str, str]]:
    with tempfile.TemporaryDirectory() as folder:
        report, names = Path(folder) / "report", Path(folder) / "names"
        names.write_text("\n".join(tests))
        shutil.copytree(source / "tests", Path(folder) / "tests")
        (
            Path(folder) / "tests" / "__init__.py"
        ).touch()  # the distribution leaves it out, and its tests import one another
        here = [str(HERE), str(HERE.parent.parent.parent), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, **models, "PYTHONPATH": os.pathsep.join(here), "TQDM_DISABLE": "1"}
        options = (
            "-q --continue-on-collection-errors -p with_alpha -p no:cacheprovider --no-header --tb=short -W ignore"
        )
        options += f" -c {os.devnull} --rootdir {folder}"
        command = [sys.executable, "-m", "pytest", *options.split(), "--report", str(report), *more, f"@{names}"]
        subprocess.run(command, cwd=folder, env=environment, stdout=sys.stderr)
        if not report.is_file():
            raise SystemExit("peft's tests could not be collected; what pytest says stands above.")
        return [json.loads(line) for line in report.read_text().splitlines()]


if __name__ == "__main__":
    sys.exit(main())
