"""The plan of the sample collection: which facts stand in which paper, and in which wording.

Invariant: each fact stands in three to nine papers, each paper states at most six facts of at most
three diseases, and no paper joins what would state an unstated fact.
"""

import random
from collections import Counter
from collections.abc import Mapping, Sequence

from titer.errors import DataError
from titer.evaluation.items import stated
from titer.evaluation.sample_prose import Matter, Writer, seeded
from titer.records import Fact

FEWEST_PAPERS, MOST_PAPERS = 3, 9
FACTS_PER_PAPER, MOST_FACTS, MOST_DISEASES = 5, 6, 3

_Bundle = tuple[Fact, ...]  # facts of one disease that one paper states


def matters(facts: Sequence[Fact], writer: Writer, n_papers: int) -> list[Matter]:
    """What each paper is about, in the order in which the papers are written.

    Args:
        facts: all that may be stated.
        writer: knows what may not stand together; its seed decides every choice.
        n_papers: a few less where the facts do not suffice.

    Raises:
        DataError: too few papers for the facts.
    """
    return _matters(_plan(facts, writer, n_papers), writer.seed)


def _plan(facts: Sequence[Fact], writer: Writer, n_papers: int) -> list[list[_Bundle]]:
    rng = seeded(writer.seed, "plan")
    by_disease: dict[str, list[Fact]] = {}
    for fact in facts:
        by_disease.setdefault(fact.disease, []).append(fact)
    spread = _appearances({d: len(own) for d, own in by_disease.items()}, n_papers, rng)
    bundles = [b for d, own in by_disease.items() for b in _bundles(own, spread[d], rng)]
    return _packed(bundles, n_papers, writer, rng)


def _appearances(sizes: Mapping[str, int], n_papers: int, rng: random.Random) -> dict[str, int]:
    """In how many papers a disease appears: three, and up to nine while there is room."""
    fewest = {d: max(FEWEST_PAPERS, -(-size // 2)) for d, size in sizes.items()}
    room = FACTS_PER_PAPER * n_papers - sum(fewest[d] * size for d, size in sizes.items())
    if room < 0:
        raise DataError(
            f"n_papers = {n_papers}: too few to state {sum(sizes.values())} facts three times "
            f"each. At {FACTS_PER_PAPER} facts a paper, {-room} statements find no place"
        )
    spread = dict(fewest)
    for disease in rng.sample(sorted(sizes), len(sizes)):
        wanted = rng.randint(fewest[disease], max(fewest[disease], MOST_PAPERS))
        # a fact of the disease gets any number up to its papers, so half of them on average
        cost = sizes[disease] + 1
        extra = min(wanted - fewest[disease], 2 * room // cost)
        spread[disease] += extra
        room -= extra * cost // 2
    return spread


def _bundles(facts: Sequence[Fact], n: int, rng: random.Random) -> list[_Bundle]:
    """Spread a disease's facts over its n papers, each fact into three or more of them."""
    bundles: list[list[Fact]] = [[] for _ in range(n)]
    doses = [rng.randint(FEWEST_PAPERS, n) for _ in facts]
    doses[rng.randrange(len(doses))] = n
    for first, last in ((0, FEWEST_PAPERS), (FEWEST_PAPERS, n)):
        for fact, dose in zip(facts, doses, strict=True):
            free = [b for b in rng.sample(bundles, n) if fact not in b and len(b) < MOST_FACTS]
            for bundle in sorted(free, key=len)[: min(dose, last) - first]:
                bundle.append(fact)
    return [tuple(bundle) for bundle in bundles if bundle]


def _packed(
    bundles: Sequence[_Bundle], n_papers: int, writer: Writer, rng: random.Random
) -> list[list[_Bundle]]:
    """Join bundles of different diseases to papers of about equally many facts."""
    total = sum(map(len, bundles))
    papers: list[list[_Bundle]] = [[] for _ in range(min(n_papers, -(-total // FACTS_PER_PAPER)))]
    for bundle in sorted(rng.sample(bundles, len(bundles)), key=len, reverse=True):
        order = sorted(papers, key=lambda paper: sum(map(len, paper)))
        home = next((paper for paper in order if _fits(bundle, paper, writer)), None)
        if home is None:
            papers.append(home := [])
        home.append(bundle)
    return papers


def _fits(bundle: _Bundle, paper: Sequence[_Bundle], writer: Writer) -> bool:
    diseases = [other[0].disease for other in paper]
    if sum(map(len, paper)) + len(bundle) > MOST_FACTS or len(paper) >= MOST_DISEASES:
        return False
    together = [fact.answer for other in (*paper, bundle) for fact in other]
    name = bundle[0].disease
    return name not in diseases and writer.is_safe(*diseases, name, *together)


def _matters(papers: Sequence[Sequence[_Bundle]], seed: int) -> list[Matter]:
    """Number the wordings so that a fact's papers use all of them in turn."""
    turns: Counter[str] = Counter()
    matters = []
    for number, bundles in enumerate(seeded(seed, "order").sample(papers, len(papers))):
        facts = [fact for bundle in bundles for fact in bundle]
        turns.update(fact.fact_id for fact in facts)
        wordings = [turns[fact.fact_id] + int(stated(fact.fact_id + "+")) for fact in facts]
        diseases = tuple(bundle[0].disease for bundle in bundles)
        chosen = tuple(zip(facts, wordings, strict=True))
        matters.append(Matter(f"paper {number}", diseases, chosen))
    return matters
