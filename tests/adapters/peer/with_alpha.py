"""A pytest plugin: peft's own tests, with AlphaLoraConfig where they say LoraConfig, and α away from 1 where they want weights away from 0.

`--report FILE` writes one line of JSON per test; `--plain` leaves LoraConfig as it is, to see what fails anyway.
"""

import json
import sys
from collections import defaultdict

import peft
import torch

from rmt_alpha.adapters import AlphaLoraConfig, layer

CONFIGS = (AlphaLoraConfig, peft.LoraConfig)


def pytest_addoption(parser):
    parser.addoption("--report")
    parser.addoption("--plain", action="store_true")


def pytest_configure(config):
    if config.getoption("--report"):
        config.pluginmanager.register(Report(config.getoption("--report")))
    if not config.getoption("--plain"):
        peft.LoraConfig = AlphaLoraConfig
        layer.AlphaLoraVariant.init = staticmethod(randomised(layer.AlphaLoraVariant.init))


def randomised(init):
    """peft's tests ask for weights away from the identity with init_lora_weights=False."""

    def wrapped(module, adapter_name, **kwargs):
        init(module, adapter_name, **kwargs)
        if kwargs["config"].init_lora_weights is False:
            weight = module.lora_row_delta[adapter_name].weight
            if not weight.is_meta:
                torch.nn.init.normal_(weight, std=0.3)

    return wrapped


class Everything(defaultdict):
    """peft's tests go online for a model that they have not had yet; all have been had."""

    def __contains__(self, key):
        return True


def pytest_collection_modifyitems(config, items):
    """Those on LoRA: by the config they are given, or by their name."""
    sys.modules["tests.testing_utils"]._HUB_MODEL_ACCESSES = Everything(int)
    keep = [item for item in items if on_lora(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(keep)])
    items[:] = keep


def on_lora(item):
    values = list(getattr(item, "callspec", None).params.values()) if hasattr(item, "callspec") else []
    classes = [value for value in values if isinstance(value, type) and issubclass(value, peft.PeftConfig)]
    if classes:
        return any(issubclass(c, CONFIGS) and c in CONFIGS for c in classes)
    return "lora" in item.nodeid.lower().split("::", 1)[1] or "lora" in item.nodeid.split("::")[0]


class Report:
    """Written as the tests go."""

    def __init__(self, path):
        self.file = open(path, "w", buffering=1)

    def pytest_runtest_logreport(self, report):
        if report.when == "call" or report.outcome != "passed":
            why = str(report.longrepr)[-3000:] if report.failed else ""
            self.file.write(json.dumps({"test": report.nodeid, "outcome": report.outcome, "why": why}) + "\n")

    def pytest_collectreport(self, report):
        if report.failed:
            told = {"test": report.nodeid, "outcome": "not collected", "why": str(report.longrepr)[-3000:]}
            self.file.write(json.dumps(told) + "\n")
