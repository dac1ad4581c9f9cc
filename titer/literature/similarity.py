"""Texts that share many of their word sequences, found without comparing every pair.

Invariant: the result depends on the texts and their order alone; MinHash only proposes pairs, and
the exact Jaccard similarity decides.
Reference: Broder (1997), MinHash.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from itertools import filterfalse
from typing import Any

from titer import scripts

SHINGLE_WORDS = 5

MINHASH_WORDS = 20
"""Shorter texts are not compared: they are mostly set phrases."""

PERMUTATIONS, BANDS, ROWS = 128, 32, 4
"""An S-curve with its middle near 0.42."""

SIMILARITY = 0.4
"""Jaccard of 5-word shingles. Usual thresholds (0.7) miss preprints whose words were edited by
10 %; among 1,000 distinct real abstracts no pair is above 0.02."""

_WORD = re.compile(r"[^\W_]+")
_FACTOR = 0x9E3779B97F4A7C15  # odd, so that multiplying modulo 2**64 loses nothing


def normal_words(text: str) -> list[str]:
    """Words in lower case without accents, scripts and punctuation."""
    if not text.isascii():
        plain = unicodedata.normalize("NFKD", text)
        text = "".join(filterfalse(unicodedata.combining, plain))
    return _WORD.findall(scripts.joined(text).lower())


def similar(texts: Iterable[str]) -> Iterator[tuple[int, int]]:
    """Yield `(leader, index)` for each text that is similar to an earlier one.

    Texts are taken in their order, the best first. Each joins the first leader that it is similar
    to, or becomes a leader itself: everything is similar to its own leader, so a long chain of
    texts that each resemble the next never becomes one cluster.
    """
    shingles = _shingles(texts)
    first: dict[bytes, int] = {}
    for index, hashes in shingles.items():
        first.setdefault(hashes.tobytes(), index)
    distinct = {index: shingles[index] for index in first.values()}
    leader_of = dict(_near(distinct))
    for index, hashes in shingles.items():
        same = first[hashes.tobytes()]
        leader = leader_of.get(same, same)
        if leader != index:
            yield leader, index


def _shingles(texts: Iterable[str]) -> dict[int, Any]:
    """By the index of each long text the sorted 64-bit hashes of its shingles, (n,) uint64."""
    import numpy as np

    numbers: dict[str, int] = {}
    found = {}
    for index, text in enumerate(texts):
        words = normal_words(text)
        if len(words) < MINHASH_WORDS:
            continue
        for word in words:
            if word not in numbers:
                digest = blake2b(word.encode(), digest_size=8).digest()
                numbers[word] = int.from_bytes(digest, "little")
        sequence = np.array([numbers[word] for word in words], dtype=np.uint64)
        n_shingles = len(words) - SHINGLE_WORDS + 1
        parts = [sequence[at : at + n_shingles] for at in range(SHINGLE_WORDS)]
        found[index] = np.unique(_combined(parts))
    return found


def _combined(parts: Sequence[Any]) -> Any:
    """One 64-bit hash of several arrays of hashes, element by element and in their order."""
    import numpy as np

    total = np.zeros_like(parts[0], dtype=np.uint64)
    for part in parts:
        total = total * np.uint64(_FACTOR) + part.astype(np.uint64)
    return total


def _near(shingles: dict[int, Any]) -> Iterator[tuple[int, int]]:
    """Yield `(index, leader)` of the texts that have one."""
    keys = _band_keys(shingles)
    leaders: dict[tuple[int, int], list[int]] = defaultdict(list)
    for index, bands in keys.items():
        candidates = {one for band in bands for one in leaders[band]}
        one = next((c for c in sorted(candidates) if _is_near(shingles[c], shingles[index])), None)
        if one is not None:
            yield index, one
            continue
        for band in bands:
            leaders[band].append(index)


def _band_keys(shingles: dict[int, Any]) -> dict[int, list[tuple[int, int]]]:
    """By index the bands of its signature that another text has as well, as `(band, key)`."""
    import numpy as np
    from datasketch import MinHash

    # 32 bits, as MinHash takes them; they are hashes already
    rows = ((hashes & np.uint64(0xFFFFFFFF)).tolist() for hashes in shingles.values())
    found = MinHash.generator(rows, num_perm=PERMUTATIONS, seed=1, hashfunc=int)
    signatures = np.zeros((len(shingles), PERMUTATIONS), dtype=np.uint32)
    for at, minhash in enumerate(found):
        signatures[at] = minhash.hashvalues
    keys: dict[int, list[tuple[int, int]]] = {index: [] for index in shingles}
    indices = list(shingles)
    for band in range(BANDS):
        columns = signatures[:, band * ROWS : (band + 1) * ROWS]
        _, inverse, counts = np.unique(
            _combined(list(columns.T)), return_inverse=True, return_counts=True
        )
        for at in np.flatnonzero(counts[inverse] > 1).tolist():
            keys[indices[at]].append((band, int(inverse[at])))
    return keys


def _is_near(one: Any, other: Any) -> bool:
    import numpy as np

    n_common = len(np.intersect1d(one, other, assume_unique=True))
    return n_common >= SIMILARITY * (len(one) + len(other) - n_common)
