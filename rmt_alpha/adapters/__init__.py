"""α-LoRA on pretrained language models: W_new = α ⊙ W* + s·B A, as a peft adapter. Needs the extra `lm`.

Importing this package also teaches peft's own loaders (`PeftModel.from_pretrained`, `AutoPeftModel…`) to read saved α-LoRA adapters.
"""

try:
    import accelerate as _accelerate  # noqa: F401  (peft needs it)
    import peft as _peft  # noqa: F401
    import safetensors as _safetensors  # noqa: F401
    import torch as _torch  # noqa: F401
    import transformers as _transformers  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"rmt_alpha.adapters needs {error.name}, which is not installed: pip install -e '.[lm]'.", name=error.name
    ) from error

from ..recipe import Recipe
from .callback import AlphaCallback
from .config import AlphaLoraConfig
from .export import export
from .finetune import FineTuned, finetune
from .layer import AlphaLoraLinear, AlphaLoraVariant, row_deltas, row_scales
from .methods import METHODS
from .models import load_model
from .sweep import finetune_sweep
from .tasks import Examples, Task, load_task, task_names
from .training import TwoOptimizers, param_groups, split_held_out
from .tuner import AlphaLoraModel

__all__ = [
    "METHODS",
    "AlphaCallback",
    "AlphaLoraConfig",
    "AlphaLoraLinear",
    "AlphaLoraModel",
    "AlphaLoraVariant",
    "Examples",
    "FineTuned",
    "Recipe",
    "Task",
    "TwoOptimizers",
    "export",
    "finetune",
    "finetune_sweep",
    "load_model",
    "load_task",
    "param_groups",
    "row_deltas",
    "row_scales",
    "split_held_out",
    "task_names",
]
