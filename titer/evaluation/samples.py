"""The sample collection: synthetic papers that state a known part of a domain's facts.

Invariant: a pure function of facts, wordings, prose and seed; every record says that it is
synthetic, and no text states a fact for which `stated` is false.
    titer benchmark samples        rebuilds data/samples/<domain>
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from titer import files
from titer.errors import DataError
from titer.evaluation import sample_plan
from titer.evaluation.items import stated
from titer.evaluation.questions import load_facts, load_templates
from titer.evaluation.sample_formats import collection_files
from titer.evaluation.sample_prose import (
    Draft,
    Guard,
    Matter,
    Prose,
    Writer,
    load_prose,
    ngrams,
    statement,
)
from titer.evaluation.sample_records import all_records, special_matters
from titer.records import Fact

_ATTEMPTS, _MOST_ALIKE = 60, 0.3

_log = logging.getLogger(__name__)


def unteachable(facts: Sequence[Fact], statements: Mapping[str, Sequence[str]]) -> list[str]:
    """Ids of `stated` facts that are left out, as each of their sentences states an unstated one.

    Such a sentence holds the name of a disease (perhaps inside a longer name) and the answer of
    one of its unstated facts.
    """
    guard, unstated = Guard(facts), _unstated(facts)

    def is_sayable(fact: Fact) -> bool:
        texts = [statement(fact, wording, fact.disease) for wording in statements[fact.relation]]
        return any(not guard.stated_in(text) & unstated for text in texts)

    wanted = [fact for fact in facts if stated(fact.fact_id)]
    return [fact.fact_id for fact in wanted if not is_sayable(fact)]


def _unstated(facts: Sequence[Fact]) -> set[str]:
    return {fact.fact_id for fact in facts if not stated(fact.fact_id)}


def sample_collection(
    facts: Sequence[Fact],
    statements: Mapping[str, Sequence[str]],
    prose: Prose,
    *,
    seed: int = 20261101,
    n_papers: int = 360,
) -> dict[str, bytes]:
    """The files of the collection by name: PubMed XML (the last one gzipped) and an arXiv feed.

    Each paper states up to six facts of one to three diseases; each stated fact stands in three
    to nine papers. About 40 records more are what a pipeline must handle: retracted papers and
    their notices, versions, near-duplicates, other languages, missing abstracts.

    Args:
        facts: of one domain; `stated` decides which of them the papers may state.
        statements: by relation, wordings with {disease} and {answer}.
        prose: the text around the statements.
        seed: of all choices.
        n_papers: ordinary papers; a few less where the facts do not suffice.

    Raises:
        DataError: no fact or wording, too few papers for the facts, or prose of little variety.
    """
    if absent := sorted({fact.relation for fact in facts if not statements.get(fact.relation)}):
        raise DataError(f"templates.yaml: no statements for {', '.join(absent)}. Add a wording")
    unstated, guard = _unstated(facts), Guard(facts)
    skipped = set(unteachable(facts, statements))
    if skipped:
        _log.info("%d facts cannot be stated alone: %s", len(skipped), " ".join(sorted(skipped)))
    taught = [fact for fact in facts if fact.fact_id not in unstated | skipped]
    if not taught:
        raise DataError(f"facts.csv: none of {len(facts)} facts can be stated. Add facts")
    writer = Writer(prose, statements, guard, unstated, seed)
    planned = sample_plan.matters(taught, writer, n_papers)
    drafts = _written([*planned, *special_matters(planned)], writer)
    ordinary, special = drafts[: len(planned)], drafts[len(planned) :]
    return collection_files(*all_records(ordinary, special, writer), prose)


def write_collection(benchmark: Path, out: Path) -> list[Path]:
    """Write the collection of the domain whose facts, templates and prose lie in a folder.

    Files of an earlier collection that are no part of the new one are deleted.

    Returns:
        What was written, sorted.

    Raises:
        FormatError: one of the three files is missing or wrong.
        DataError: see `sample_collection`.
    """
    statements = {
        name: templates.statements
        for name, templates in load_templates(benchmark / "templates.yaml").items()
    }
    collection = sample_collection(
        load_facts(benchmark / "facts.csv"), statements, load_prose(benchmark / "prose.yaml")
    )
    for path in out.glob("pubmed_sample_*.xml*"):
        if path.name not in collection:
            path.unlink()
    for name, content in collection.items():
        files.write_bytes(out / name, content)
    return sorted(out / name for name in collection)


def _written(matters: Sequence[Matter], writer: Writer) -> list[Draft]:
    drafts: list[Draft] = []
    grams: list[set[str]] = []
    titles: set[str] = set()
    for matter in matters:
        draft = _fresh(matter, writer, titles, grams)
        drafts.append(draft)
        titles.add(draft.title)
        grams.append(ngrams(draft.abstract, 5))
    return drafts


def _fresh(matter: Matter, writer: Writer, titles: set[str], grams: list[set[str]]) -> Draft:
    for attempt in range(_ATTEMPTS):
        draft = writer.paper(matter, attempt)
        if draft is None or draft.title in titles:
            continue
        own = ngrams(draft.abstract, 5)
        if all(len(own & other) <= _MOST_ALIKE * len(own | other) for other in grams):
            return draft
    raise DataError(
        f"{matter.key} ({', '.join(matter.diseases)}): no text of 90 to 150 words that differs "
        f"from the other papers in {_ATTEMPTS} tries. Add sentences or titles to prose.yaml"
    )
