"""Train, validation and held-out by paper cluster, through a seeded hash.

Invariant: a cluster's place depends on its id and the seed alone, so a new paper moves no other,
but for the smallest collections, where each split is given at least one cluster.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable

SPLITS = ("train", "validation", "heldout")


def assign(
    cluster_ids: Iterable[str], *, seed: int, validation_share: float, heldout_share: float
) -> dict[str, str]:
    """Split of each cluster: train, validation or heldout, sorted by cluster id.

    From three clusters on each split has at least one; two clusters become train and validation,
    a single one train.
    """
    place = {cluster: _place(cluster, seed) for cluster in sorted(cluster_ids)}
    if len(place) < len(SPLITS):
        names = ("validation", "train")[-len(place) :]
        return dict(sorted(zip(sorted(place, key=place.__getitem__), names, strict=False)))
    splits = {
        cluster: _split_of(where, validation_share, heldout_share)
        for cluster, where in place.items()
    }
    _fill_empty(splits, place)
    return splits


def _place(cluster: str, seed: int) -> float:
    digest = hashlib.sha256(f"{seed}|{cluster}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64


def _split_of(place: float, validation_share: float, heldout_share: float) -> str:
    if place < heldout_share:
        return "heldout"
    return "validation" if place < heldout_share + validation_share else "train"


def _fill_empty(splits: dict[str, str], place: dict[str, float]) -> None:
    """Give each empty split the nearest cluster of a split that can spare one."""
    for name in ("heldout", "validation", "train"):
        if name in splits.values():
            continue
        size = Counter(splits.values())
        spare = [cluster for cluster, split in splits.items() if size[split] > 1]
        nearest = max if name == "train" else min
        splits[nearest(spare, key=place.__getitem__)] = name
