"""What `titer data inspect` finds in training rows, as lines of text."""

import statistics
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from titer.config import ModelSettings
from titer.records import Example

LANGUAGE_ROWS = 1000
"""Rows whose language is named: every k-th of the file."""
SHOWN_CHARS = 1500


@dataclass
class Inspected:
    """What was found."""

    max_length: int
    model: str
    lengths: list[int] = field(default_factory=list)
    """Tokens per row, template and end token included."""
    n_repeats: int = 0
    turns: Counter[int] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    n_asked_language: int = 0
    sample: str = ""

    def lines(self) -> Iterator[str]:
        """The report."""
        n = len(self.lengths)
        if not n:
            return
        few = ", ".join(f"{turns} ({k:,})" for turns, k in sorted(self.turns.items())[:8])
        yield f"messages per row: {few}"
        yield f"duplicates: {self.n_repeats:,} rows with an earlier row's prompt and answer"
        ordered = sorted(self.lengths)
        tenths = statistics.quantiles(ordered, n=10, method="inclusive") if n > 1 else ordered * 9
        shown = ", ".join(f"{value:.0f}" for value in (ordered[0], *tenths, ordered[-1]))
        yield f"tokens per row by {self.model}, shortest, deciles, longest: {shown}"
        yield f"tokens in all: {sum(ordered):,}"
        long = sum(length > self.max_length for length in ordered)
        yield (
            f"longer than model.max_length={self.max_length}: {long:,} rows ({100 * long / n:.1f} "
            "%); examples.on_long says what becomes of them, none is cut"
        )
        found = ", ".join(f"{name} {k:,}" for name, k in self.languages.most_common(8))
        yield f"languages of {self.n_asked_language:,} rows: {found}"
        yield f"the first row as the model sees it:\n{self.sample}"


def look(rows: Iterable[Example], folder: Path, model: ModelSettings) -> Inspected:
    """Look at every row; of each only numbers are kept.

    Args:
        folder: of the model, for its tokenizer and chat template.

    Raises:
        LoadError: there is no such model.
    """
    from titer.errors import LoadError
    from titer.examples.language import languages
    from titer.modeling.chat_template import encode_row, render_prompt
    from titer.modeling.loading import load_tokenizer

    if not folder.is_dir():
        raise LoadError(f"{folder}: no model. Run: dvc repro download_model, or give --tokenizer")
    tokenizer = load_tokenizer(folder)
    found = Inspected(model.max_length, folder.name)
    seen: set[int] = set()
    texts: list[str] = []
    every = 1
    for number, example in enumerate(rows):
        found.lengths.append(len(encode_row(tokenizer, example.messages, model.think).input_ids))
        found.turns[len(example.messages)] += 1
        key = hash((example.prompt, example.answer))
        found.n_repeats += key in seen
        seen.add(key)
        if not found.sample:
            prompt = render_prompt(tokenizer, example.messages[:-1], model.think)
            found.sample = _shortened(f"{prompt}{example.answer}{tokenizer.eos_token}")
        if number % every == 0:
            texts.append(example.answer)
        if len(texts) == 2 * LANGUAGE_ROWS:  # thinned out as the file turns out longer
            texts, every = texts[::2], every * 2
    found.n_asked_language = len(texts)
    found.languages = languages(texts)
    return found


def _shortened(text: str) -> str:
    half = SHOWN_CHARS // 2
    return text if len(text) <= SHOWN_CHARS else f"{text[:half]}\n ... \n{text[-half:]}"
