"""Clusters go to train, validation and held-out by a seeded hash."""

import pytest

from titer.examples.split import assign

IDS = [f"pmid:{number}" for number in range(400)]


def shared(ids: list[str], seed: int = 7) -> dict[str, str]:
    return assign(ids, seed=seed, validation_share=0.1, heldout_share=0.05)


def test_shares_are_about_those_asked_for() -> None:
    splits = list(shared(IDS).values())
    assert 20 <= splits.count("validation") <= 60
    assert 8 <= splits.count("heldout") <= 35


def test_a_new_paper_moves_no_other() -> None:
    before, after = shared(IDS[:300]), shared(IDS)
    assert all(after[cluster] == split for cluster, split in before.items())


def test_the_order_of_the_papers_does_not_matter() -> None:
    assert shared(IDS) == shared(IDS[::-1])


def test_another_seed_gives_another_split() -> None:
    assert shared(IDS) != shared(IDS, seed=8)


@pytest.mark.parametrize("n", [3, 4, 5, 10])
@pytest.mark.parametrize("seed", range(5))
def test_no_split_is_empty_from_three_clusters_on(n: int, seed: int) -> None:
    assert set(shared(IDS[:n], seed).values()) == {"train", "validation", "heldout"}


@pytest.mark.parametrize("seed", range(5))
def test_two_clusters_train_and_validate(seed: int) -> None:
    assert sorted(shared(IDS[:2], seed).values()) == ["train", "validation"]


def test_one_cluster_trains_and_none_gives_nothing() -> None:
    assert shared(IDS[:1]) == {"pmid:0": "train"}
    assert shared([]) == {}


def test_large_shares_leave_something_to_train_on() -> None:
    splits = assign(IDS[:3], seed=1, validation_share=0.49, heldout_share=0.49)
    assert set(splits.values()) == {"train", "validation", "heldout"}
