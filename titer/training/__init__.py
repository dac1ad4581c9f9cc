"""Supervised fine-tuning: QLoRA and full through one trainer."""
