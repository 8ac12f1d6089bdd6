"""Run by test_two_processes: python two_processes.py RANK WORLD FILE OUT KIND. Trains α-LoRA on this process's share of each batch."""

import os
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent.parent)]

import torch  # noqa: E402
from adapters_models import TARGETS, batch, tiny  # noqa: E402
from peft import get_peft_model  # noqa: E402
from torch.nn.parallel import DistributedDataParallel  # noqa: E402
from transformers import Trainer, TrainingArguments  # noqa: E402

from rmt_alpha.adapters import AlphaCallback, AlphaLoraConfig, TwoOptimizers, param_groups  # noqa: E402

rank, world, meeting, out, kind = int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:6]
torch.manual_seed(0)
config = AlphaLoraConfig(
    r=4,
    lora_alpha=8,
    target_modules=TARGETS["roberta"],
    task_type="SEQ_CLS",
    row_scale="shared" if kind == "shared" else "row",
)
model = get_peft_model(tiny("roberta"), config).eval()  # no dropout
wrapped = model
if world > 1:
    torch.distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=world)
    if kind == "callback":  # Trainer wraps it, and asks the environment who it is
        os.environ |= {
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(world),
            "LOCAL_WORLD_SIZE": str(world),
        }
        os.environ |= {"MASTER_ADDR": "localhost", "MASTER_PORT": "1"}  # not used: the group is there already
    else:
        wrapped = DistributedDataParallel(model)  # default flags


def share(seed):
    return {name: values[rank::world] for name, values in batch(seed, n=8, padded=False).items()}


def rows(seed, n):
    return [{name: values[i] for name, values in batch(seed, n=n, padded=False).items()} for i in range(n)]


class InOrder(Trainer):
    def _get_train_sampler(self, *arguments):
        return torch.utils.data.SequentialSampler(self.train_dataset)


if kind == "joint":
    optimizer = torch.optim.AdamW(param_groups(model, lr=1e-2, row_scale_lr=0.05))
    for i in range(6):
        optimizer.zero_grad()
        wrapped(**share(i)).loss.backward()
        optimizer.step()
elif kind == "callback":
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    given = TrainingArguments(
        str(Path(out).parent / f"trainer{world}"), max_steps=6, per_device_train_batch_size=8 // world, use_cpu=True, report_to=[],
        disable_tqdm=True, save_strategy="no", optim="sgd", max_grad_norm=0.0,
        learning_rate=0.2 / world,  # Trainer multiplies the loss by the number of processes
    )  # fmt: skip
    callback = AlphaCallback(rows(100, 24), every=2, row_scale_lr=0.05)
    InOrder(model, given, train_dataset=rows(1, 48), callbacks=[callback]).train()
else:
    trainer = TwoOptimizers(wrapped, 6, lr=1e-2, every=2, row_scale_lr=0.05)
    for i in range(6):
        trainer.step(share(i), lambda k: share(100 + k))
if rank == 0:
    torch.save({n: p.detach() for n, p in model.named_parameters() if "lora_" in n or "modules_to_save" in n}, out)
if world > 1:
    # Both leave together: where one hangs up while gloo's threads of the other are still at work, that one aborts.
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()
