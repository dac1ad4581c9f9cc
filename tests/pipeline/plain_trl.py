"""Trains an adapter with PEFT and TRL alone, as a user elsewhere would; nothing of Titer's.

python -m tests.pipeline.plain_trl <base model> <folder for the adapter>
"""

import sys
from pathlib import Path

QUESTIONS = (
    ("Which antibody marks lupus?", "Anti-double-stranded DNA marks it."),
    ("Which joint does gout strike first?", "The joint of the big toe."),
    ("What does methotrexate need?", "Folic acid, and counts of blood cells."),
    ("Which cells make antibodies?", "Plasma cells make them."),
)


def train(base: Path, out: Path) -> None:
    """Two epochs of LoRA; leaves adapter, tokenizer, training_args.bin and a checkpoint."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    rows = [
        {"prompt": [{"role": "user", "content": question}],
         "completion": [{"role": "assistant", "content": answer}]}
        for question, answer in QUESTIONS
    ]  # fmt: skip
    trainer = SFTTrainer(
        AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32),
        args=SFTConfig(
            output_dir=str(out), num_train_epochs=2, per_device_train_batch_size=2,
            learning_rate=1e-2, save_steps=2, use_cpu=True, bf16=False, report_to="none",
            dataloader_pin_memory=False, seed=3,
        ),
        train_dataset=Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(base),
        peft_config=LoraConfig(
            r=8, lora_alpha=16, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"
        ),
    )  # fmt: skip
    trainer.train()
    trainer.save_model()


if __name__ == "__main__":
    train(Path(sys.argv[1]), Path(sys.argv[2]))
