"""Exchange formats of training rows: one module per format, each with `parse` and `render`."""

from titer.examples.formats import (
    alpaca,
    chat,
    context,
    instruction,
    plain_text,
    qa,
    satisfaction,
    sharegpt,
    text_records,
)
from titer.examples.formats.base import Format

FORMATS: dict[str, Format] = {
    "instruction": instruction.FORMAT,
    "alpaca": alpaca.FORMAT,
    "sharegpt": sharegpt.FORMAT,
    "chat": chat.FORMAT,
    "context": context.FORMAT,
    "qa": qa.FORMAT,
    "satisfaction": satisfaction.FORMAT,
    "text_records": text_records.FORMAT,
    "text": plain_text.FORMAT,
}
"""Name of a format and what reads and writes its rows."""
