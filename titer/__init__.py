"""Titer: fine-tune a language model on the biomedical literature and measure whether it helped."""

__version__ = "0.1.0"
