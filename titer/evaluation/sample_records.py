"""From the written papers to records: PubMed's, arXiv's, and those that a pipeline must notice.

Retracted papers and their notices, versions, near-duplicates, other languages, missing abstracts.
Invariant: a special record says nothing that an ordinary paper does not say; numbers are unique.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from titer.evaluation.sample_prose import Draft, Matter, Prose, Section, Writer

_ARXIV_PER_360 = 33
_SPECIALS = {"retracted": 6, "concern": 2, "bare": 8, "german": 4, "editorial": 3, "withdrawn": 1}


@dataclass(frozen=True)
class Record:
    """A PubMed record; numbers are 1 and up, and stand for PMID and DOI."""

    draft: Draft
    number: int
    types: tuple[str, ...] = ("Journal Article",)
    relations: tuple[tuple[str, int], ...] = ()
    language: str = "eng"
    vernacular: str = ""


@dataclass(frozen=True)
class Entry:
    """An arXiv entry; `published` is the number of its version in PubMed."""

    draft: Draft
    number: int
    comment: str = ""
    published: int | None = None


def special_matters(matters: Sequence[Matter]) -> list[Matter]:
    """Matters of ordinary papers again, in the next wording."""
    again = itertools.islice(itertools.cycle(matters), sum(_SPECIALS.values()))
    return [
        replace(
            matter,
            key=f"special {number}",
            facts=tuple((fact, wording + 1) for fact, wording in matter.facts),
        )
        for number, matter in enumerate(again)
    ]


def all_records(
    ordinary: Sequence[Draft], special: Sequence[Draft], writer: Writer
) -> tuple[list[Record], list[Entry]]:
    """Every record and entry of the collection.

    Args:
        ordinary: papers; the first of them become arXiv entries.
        special: of `special_matters`, for the records that a pipeline must notice.
    """
    n_arxiv = len(ordinary) * _ARXIV_PER_360 // 360
    records = [Record(draft, number) for number, draft in enumerate(ordinary[n_arxiv:], 1)]
    entries = [Entry(draft, number) for number, draft in enumerate(ordinary[:n_arxiv], 1)]
    numbers, supply = itertools.count(len(records) + 1), iter(special)
    draws = {name: list(itertools.islice(supply, n)) for name, n in _SPECIALS.items()}
    twins = iter(range(0, len(records), max(1, len(records) // 11)))
    for index in itertools.islice(twins, 6):
        entries.append(_twin(records[index], len(entries) + 1, writer))
    for draft in draws["withdrawn"]:
        entries.append(_withdrawn(draft, len(entries) + 1, writer.prose))
    for index in itertools.islice(twins, 3):
        records += _preprint(records, index, next(numbers), writer)
    for index in itertools.islice(twins, 2):
        records.append(_near_duplicate(records[index].draft, next(numbers), writer))
    for draft in draws["retracted"]:
        records += _retracted(draft, next(numbers), next(numbers), writer.prose)
    for draft in draws["concern"]:
        # the notice's own record is not in the collection, as happens with real exports
        relation = ("ExpressionOfConcernIn", next(numbers))
        records.append(Record(draft, next(numbers), relations=(relation,)))
    records += _unusable(draws, numbers, writer.prose)
    return records, entries


def _twin(record: Record, number: int, writer: Writer) -> Entry:
    """An arXiv preprint of a paper in PubMed."""
    return Entry(writer.edited(record.draft), number, published=record.number)


def _withdrawn(draft: Draft, number: int, prose: Prose) -> Entry:
    empty = replace(draft, sections=(Section("", "", (prose.withdrawn,)),))
    return Entry(empty, number, comment=prose.withdrawn)


def _preprint(records: list[Record], index: int, number: int, writer: Writer) -> list[Record]:
    """The preprint of a record, which is then marked as its update."""
    published = records[index]
    records[index] = replace(published, relations=(("UpdateOf", number),))
    draft, types = writer.edited(published.draft), ("Journal Article", "Preprint")
    return [Record(draft, number, types, (("UpdateIn", published.number),))]


def _near_duplicate(draft: Draft, number: int, writer: Writer) -> Record:
    title = f"{draft.title.rstrip('?')}: a second report"
    return Record(replace(writer.edited(draft), title=title), number)


def _retracted(draft: Draft, number: int, notice: int, prose: Prose) -> list[Record]:
    types = ("Journal Article", "Retracted Publication")
    text = (Section("", "", (prose.notice,)),)
    announced = replace(draft, title=f"Retraction: {draft.title}", sections=text)
    return [
        Record(draft, number, types, (("RetractionIn", notice),)),
        Record(announced, notice, ("Retraction of Publication",), (("RetractionOf", number),)),
    ]


def _unusable(
    draws: Mapping[str, Sequence[Draft]], numbers: Iterator[int], prose: Prose
) -> list[Record]:
    """Records without an abstract, in German, and editorials."""
    records = [Record(replace(draft, sections=()), next(numbers)) for draft in draws["bare"]]
    for draft, (title, sentence) in zip(draws["german"], prose.german, strict=False):
        text = (Section("", "", (sentence,)),)
        foreign = replace(draft, title=f"[{draft.title}]", sections=text)
        records.append(Record(foreign, next(numbers), language="ger", vernacular=title))
    for draft in draws["editorial"]:
        comment = replace(draft, sections=(Section("", "", _remarks(draft)),))
        records.append(Record(comment, next(numbers), ("Editorial",)))
    return records


def _remarks(draft: Draft) -> tuple[str, ...]:
    sentences = [text for section in draft.sections for text in section.sentences]
    return tuple(text for text in sentences if text not in draft.statements)
