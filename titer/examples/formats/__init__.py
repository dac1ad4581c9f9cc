"""Exchange formats of training rows: one module per format, each with `write` and `read`."""

from types import ModuleType

from titer.examples.formats import chat, text_records

FORMATS: dict[str, ModuleType] = {"chat": chat, "text_records": text_records}
"""Name of a format and the module that writes and reads it."""
