"""Languages of texts, by py3langid (Lui and Baldwin 2012): offline, the same answer each time."""

from collections import Counter
from collections.abc import Iterable

MIN_CHARS = 40
"""Shorter texts are not told apart reliably and count as `too short to tell`."""
TOO_SHORT = "too short to tell"


def languages(texts: Iterable[str]) -> Counter[str]:
    """How many texts are in which language: ISO 639-1 codes."""
    import py3langid

    found: Counter[str] = Counter()
    for text in texts:
        found[py3langid.classify(text)[0] if len(text) >= MIN_CHARS else TOO_SHORT] += 1
    return found
