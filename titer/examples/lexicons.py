"""Which domain a row speaks of, by the domains' lexicons.

Invariant: a row is never taken out for it; it is flagged and counted, and its user decides.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from titer.examples.normalise import words
from titer.records import Example

MIN_WORDS = 2
"""Different words of another domain's lexicon from which a row may belong there."""


def foreign(example: Example, domain: str, words_of: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """The other domain whose lexicon the row uses more of than of its own; nothing where none is.

    Args:
        example: the row.
        domain: the one that it is meant for.
        words_of: the lexicon of every domain, by name.
    """
    if not words_of.keys() - {domain}:
        return
    said = f" {' '.join(words(' '.join(turn['content'] for turn in example.messages)))} "
    found = {name: _n_words(said, terms) for name, terms in words_of.items()}
    own = found.pop(domain, 0)
    best = max(sorted(found), key=found.__getitem__)
    if found[best] >= MIN_WORDS and found[best] > own:
        yield best


def _n_words(said: str, terms: Sequence[str]) -> int:
    """How many terms of a lexicon a text of normalised words holds."""
    return sum(_phrase(term) in said for term in terms)


@lru_cache(maxsize=4096)
def _phrase(term: str) -> str:
    return f" {' '.join(words(term))} "
