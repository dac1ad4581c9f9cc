"""The sample collection: synthetic papers that state a known part of a domain's facts.

Invariant: a pure function of facts, wordings, prose and seed; every record says that it is
synthetic, and no text states a fact for which `stated` is false.
    titer benchmark samples        rebuilds data/samples/<domain>
"""

import gzip
import hashlib
import io
import itertools
import logging
import random
import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from xml.sax.saxutils import escape

from titer import files
from titer.errors import DataError
from titer.evaluation.items import stated
from titer.evaluation.sample_prose import (
    Draft,
    Guard,
    Matter,
    Prose,
    Section,
    Writer,
    load_prose,
    ngrams,
    seeded,
    statement,
)
from titer.records import Fact

JOURNAL = "Titer Synthetic Sample Collection"
KEYWORD = "synthetic sample record"
COPYRIGHT = "Synthetic text written for the Titer project; no such study exists. Apache-2.0."
FIRST_PMID = 990_000_000
"""PubMed's own ids have at most eight digits."""

_FEWEST_PAPERS, _MOST_PAPERS = 3, 9
_FACTS_PER_PAPER, _MOST_FACTS, _MOST_DISEASES = 5, 6, 3
_ARXIV_PER_360 = 33
_ATTEMPTS, _MOST_ALIKE = 60, 0.3
_TYPE_UI = {
    "Journal Article": "D016428",
    "Editorial": "D016421",
    "Preprint": "D000076942",
    "Retracted Publication": "D016441",
    "Retraction of Publication": "D016440",
}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SPECIALS = {"retracted": 6, "concern": 2, "bare": 8, "german": 4, "editorial": 3, "withdrawn": 1}
_RECORDS_PER_FILE = 100
_OPENSEARCH = "http://a9.com/-/spec/opensearch/1.1/"
_ARXIV = "http://arxiv.org/schemas/atom"
_MARKUP = re.compile(r"&lt;(/?(?:i|sup|sub))&gt;")
_PUBMED_HEAD = """<?xml version="1.0" ?>
<!DOCTYPE PubmedArticleSet PUBLIC "-//NLM//DTD PubMedArticle, 1st January 2025//EN" \
"https://dtd.nlm.nih.gov/ncbi/pubmed/out/pubmed_250101.dtd">
<!-- Synthetic sample collection of Titer: no such study exists. -->
"""

_log = logging.getLogger(__name__)
_Bundle = tuple[Fact, ...]  # facts of one disease that one paper states


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


@dataclass(frozen=True)
class _Record:
    """A PubMed record; numbers are 1 and up, and stand for PMID and DOI."""

    draft: Draft
    number: int
    types: tuple[str, ...] = ("Journal Article",)
    relations: tuple[tuple[str, int], ...] = ()
    language: str = "eng"
    vernacular: str = ""


@dataclass(frozen=True)
class _Entry:
    """An arXiv entry; `published` is the number of its version in PubMed."""

    draft: Draft
    number: int
    comment: str = ""
    published: int | None = None


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
    matters = _matters(_plan(taught, writer, n_papers), seed)
    drafts = _written([*matters, *_special_matters(matters)], writer)
    return _files(*_records(drafts[: len(matters)], drafts[len(matters) :], writer), prose)


def write_collection(benchmark: Path, out: Path) -> list[Path]:
    """Write the collection of the domain whose facts, templates and prose lie in a folder.

    Files of an earlier collection that are no part of the new one are deleted.

    Returns:
        What was written, sorted.

    Raises:
        FormatError: one of the three files is missing or wrong.
        DataError: see `sample_collection`.
    """
    from titer.evaluation.questions import load_facts, load_templates

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


# The plan: which facts stand in which paper.


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
    fewest = {d: max(_FEWEST_PAPERS, -(-size // 2)) for d, size in sizes.items()}
    room = _FACTS_PER_PAPER * n_papers - sum(fewest[d] * size for d, size in sizes.items())
    if room < 0:
        raise DataError(
            f"n_papers = {n_papers}: too few to state {sum(sizes.values())} facts three times "
            f"each. At {_FACTS_PER_PAPER} facts a paper, {-room} statements find no place"
        )
    spread = dict(fewest)
    for disease in rng.sample(sorted(sizes), len(sizes)):
        wanted = rng.randint(fewest[disease], max(fewest[disease], _MOST_PAPERS))
        # a fact of the disease gets any number up to its papers, so half of them on average
        cost = sizes[disease] + 1
        extra = min(wanted - fewest[disease], 2 * room // cost)
        spread[disease] += extra
        room -= extra * cost // 2
    return spread


def _bundles(facts: Sequence[Fact], n: int, rng: random.Random) -> list[_Bundle]:
    """Spread a disease's facts over its n papers, each fact into three or more of them."""
    bundles: list[list[Fact]] = [[] for _ in range(n)]
    doses = [rng.randint(_FEWEST_PAPERS, n) for _ in facts]
    doses[rng.randrange(len(doses))] = n
    for first, last in ((0, _FEWEST_PAPERS), (_FEWEST_PAPERS, n)):
        for fact, dose in zip(facts, doses, strict=True):
            free = [b for b in rng.sample(bundles, n) if fact not in b and len(b) < _MOST_FACTS]
            for bundle in sorted(free, key=len)[: min(dose, last) - first]:
                bundle.append(fact)
    return [tuple(bundle) for bundle in bundles if bundle]


def _packed(
    bundles: Sequence[_Bundle], n_papers: int, writer: Writer, rng: random.Random
) -> list[list[_Bundle]]:
    """Join bundles of different diseases to papers of about equally many facts."""
    total = sum(map(len, bundles))
    papers: list[list[_Bundle]] = [[] for _ in range(min(n_papers, -(-total // _FACTS_PER_PAPER)))]
    for bundle in sorted(rng.sample(bundles, len(bundles)), key=len, reverse=True):
        order = sorted(papers, key=lambda paper: sum(map(len, paper)))
        home = next((paper for paper in order if _fits(bundle, paper, writer)), None)
        if home is None:
            papers.append(home := [])
        home.append(bundle)
    return papers


def _fits(bundle: _Bundle, paper: Sequence[_Bundle], writer: Writer) -> bool:
    diseases = [other[0].disease for other in paper]
    if sum(map(len, paper)) + len(bundle) > _MOST_FACTS or len(paper) >= _MOST_DISEASES:
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


# The specials: records that a pipeline must notice, on top of the ordinary ones.


def _special_matters(matters: Sequence[Matter]) -> list[Matter]:
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


def _records(
    ordinary: Sequence[Draft], special: Sequence[Draft], writer: Writer
) -> tuple[list[_Record], list[_Entry]]:
    n_arxiv = len(ordinary) * _ARXIV_PER_360 // 360
    records = [_Record(draft, number) for number, draft in enumerate(ordinary[n_arxiv:], 1)]
    entries = [_Entry(draft, number) for number, draft in enumerate(ordinary[:n_arxiv], 1)]
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
        records.append(_Record(draft, next(numbers), relations=(relation,)))
    records += _unusable(draws, numbers, writer.prose)
    return records, entries


def _twin(record: _Record, number: int, writer: Writer) -> _Entry:
    """An arXiv preprint of a paper in PubMed."""
    return _Entry(writer.edited(record.draft), number, published=record.number)


def _withdrawn(draft: Draft, number: int, prose: Prose) -> _Entry:
    empty = replace(draft, sections=(Section("", "", (prose.withdrawn,)),))
    return _Entry(empty, number, comment=prose.withdrawn)


def _preprint(records: list[_Record], index: int, number: int, writer: Writer) -> list[_Record]:
    """The preprint of a record, which is then marked as its update."""
    published = records[index]
    records[index] = replace(published, relations=(("UpdateOf", number),))
    draft, types = writer.edited(published.draft), ("Journal Article", "Preprint")
    return [_Record(draft, number, types, (("UpdateIn", published.number),))]


def _near_duplicate(draft: Draft, number: int, writer: Writer) -> _Record:
    title = f"{draft.title.rstrip('?')}: a second report"
    return _Record(replace(writer.edited(draft), title=title), number)


def _retracted(draft: Draft, number: int, notice: int, prose: Prose) -> list[_Record]:
    types = ("Journal Article", "Retracted Publication")
    text = (Section("", "", (prose.notice,)),)
    announced = replace(draft, title=f"Retraction: {draft.title}", sections=text)
    return [
        _Record(draft, number, types, (("RetractionIn", notice),)),
        _Record(announced, notice, ("Retraction of Publication",), (("RetractionOf", number),)),
    ]


def _unusable(
    draws: Mapping[str, Sequence[Draft]], numbers: Iterator[int], prose: Prose
) -> list[_Record]:
    """Records without an abstract, in German, and editorials."""
    records = [_Record(replace(draft, sections=()), next(numbers)) for draft in draws["bare"]]
    for draft, (title, sentence) in zip(draws["german"], prose.german, strict=False):
        text = (Section("", "", (sentence,)),)
        foreign = replace(draft, title=f"[{draft.title}]", sections=text)
        records.append(_Record(foreign, next(numbers), language="ger", vernacular=title))
    for draft in draws["editorial"]:
        comment = replace(draft, sections=(Section("", "", _remarks(draft)),))
        records.append(_Record(comment, next(numbers), ("Editorial",)))
    return records


def _remarks(draft: Draft) -> tuple[str, ...]:
    sentences = [text for section in draft.sections for text in section.sentences]
    return tuple(text for text in sentences if text not in draft.statements)


# The wire formats.


def _files(records: Sequence[_Record], entries: Sequence[_Entry], prose: Prose) -> dict[str, bytes]:
    mixed = sorted(records, key=lambda record: _digest("order", record.number))
    n_files = -(-len(mixed) // _RECORDS_PER_FILE)
    size = -(-len(mixed) // n_files)
    found = {}
    for number, start in enumerate(range(0, len(mixed), size), 1):
        content = _pubmed_xml(mixed[start : start + size], prose.headings)
        name = f"pubmed_sample_{number:02d}.xml"
        if number == n_files:
            name, content = f"{name}.gz", _gzipped(content)
        found[name] = content
    found["arxiv_sample.atom"] = _atom(entries, prose.arxiv_categories)
    return found


def _digest(purpose: str, number: int) -> bytes:
    return hashlib.sha256(f"{purpose} {number}".encode()).digest()


def _gzipped(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", fileobj=buffer, mode="wb", mtime=0) as file:
        file.write(content)
    return buffer.getvalue()


def _pubmed_xml(records: Iterable[_Record], headings: Sequence[str]) -> bytes:
    articles = "".join(_article(record, headings) for record in records)
    return f"{_PUBMED_HEAD}<PubmedArticleSet>\n{articles}</PubmedArticleSet>\n".encode()


def _article(record: _Record, headings: Sequence[str]) -> str:
    draft, pmid = record.draft, FIRST_PMID + record.number
    types = "".join(
        f'<PublicationType UI="{_TYPE_UI[name]}">{name}</PublicationType>' for name in record.types
    )
    vernacular = _element("VernacularTitle", record.vernacular) if record.vernacular else ""
    return f"""<PubmedArticle>
<MedlineCitation Status="MEDLINE" Owner="NOTNLM">
<PMID Version="1">{pmid}</PMID>
<Article PubModel="Electronic">
<Journal><JournalIssue CitedMedium="Internet">{_pub_date(record.number)}</JournalIssue>
<Title>{JOURNAL}</Title></Journal>
{_element("ArticleTitle", draft.title)}
<ELocationID EIdType="doi" ValidYN="Y">{_doi(record.number)}</ELocationID>
{_abstract(draft.sections)}<AuthorList CompleteYN="Y"><Author ValidYN="Y">\
<LastName>Author</LastName><ForeName>Synthetic</ForeName><Initials>S</Initials></Author></AuthorList>
<Language>{record.language}</Language>
<PublicationTypeList>{types}</PublicationTypeList>{vernacular}
</Article>
<MedlineJournalInfo><MedlineTA>Titer Synth Sample Collect</MedlineTA></MedlineJournalInfo>
{_corrections(record.relations)}{_headings(draft, headings)}</MedlineCitation>
<PubmedData><PublicationStatus>epublish</PublicationStatus><ArticleIdList>\
<ArticleId IdType="pubmed">{pmid}</ArticleId>\
<ArticleId IdType="doi">{_doi(record.number)}</ArticleId></ArticleIdList></PubmedData>
</PubmedArticle>
"""


def _element(name: str, text: str, attributes: str = "") -> str:
    content = _MARKUP.sub(r"<\1>", escape(text))
    return f"<{name}{attributes}>{content}</{name}>"


def _doi(number: int) -> str:
    return f"10.5555/titer.sample.{number:04d}"


def _pub_date(number: int) -> str:
    """A date of one of PubMed's kinds: one in twenty is free text, as in older records."""
    digest = _digest("date", number)
    year, month, day = 2012 + digest[0] % 13, _MONTHS[digest[1] % 11], 1 + digest[2] % 28
    following = _MONTHS[digest[1] % 11 + 1]
    kinds = [
        f"<MedlineDate>{year} {month}-{following}</MedlineDate>",
        f"<Year>{year}</Year><Season>Summer</Season>",
        *[f"<Year>{year}</Year><Month>{month}</Month>"] * 8,
        *[f"<Year>{year}</Year><Month>{month}</Month><Day>{day:02d}</Day>"] * 10,
    ]
    return f"<PubDate>{kinds[digest[3] % len(kinds)]}</PubDate>"


def _abstract(sections: Sequence[Section]) -> str:
    if not sections:
        return ""
    parts = [
        _element(
            "AbstractText",
            section.text,
            f' Label="{section.label}" NlmCategory="{section.category}"' if section.label else "",
        )
        for section in sections
    ]
    parts.append(f"<CopyrightInformation>{COPYRIGHT}</CopyrightInformation>")
    return "\n".join(["<Abstract>", *parts, "</Abstract>\n"])


def _corrections(relations: Sequence[tuple[str, int]]) -> str:
    rows = "".join(
        f'<CommentsCorrections RefType="{kind}"><RefSource>{JOURNAL}</RefSource>'
        f'<PMID Version="1">{FIRST_PMID + number}</PMID></CommentsCorrections>'
        for kind, number in relations
    )
    return f"<CommentsCorrectionsList>{rows}</CommentsCorrectionsList>\n" if rows else ""


def _headings(draft: Draft, more: Sequence[str]) -> str:
    """MeSH headings, whose identifiers are not given, and keywords."""
    names = [
        (name, "Y" if name == draft.matter.diseases[0] else "N")
        for name in (*draft.matter.diseases, *more)
    ]
    mesh = "".join(
        "<MeshHeading>"
        + _element("DescriptorName", name, f' UI="not given" MajorTopicYN="{major}"')
        + "</MeshHeading>"
        for name, major in names
    )
    words = "".join(
        _element("Keyword", word, ' MajorTopicYN="N"') for word in (KEYWORD, *draft.keywords)
    )
    return (
        f"<MeshHeadingList>{mesh}</MeshHeadingList>\n"
        f'<KeywordList Owner="NOTNLM">{words}</KeywordList>\n'
    )


def _atom(entries: Sequence[_Entry], categories: Sequence[str]) -> bytes:
    n, body = len(entries), "".join(_entry(entry, categories) for entry in entries)
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<feed xmlns="http://www.w3.org/2005/Atom">
  <link href="http://arxiv.org/api/query?search_query%3Dtiter_synthetic_sample" rel="self" \
type="application/atom+xml"/>
  <title type="html">{JOURNAL}: synthetic records, no such study exists</title>
  <id>http://arxiv.org/api/titer-synthetic-sample</id>
  <updated>2026-11-01T00:00:00-05:00</updated>
  <opensearch:totalResults xmlns:opensearch="{_OPENSEARCH}">{n}</opensearch:totalResults>
  <opensearch:startIndex xmlns:opensearch="{_OPENSEARCH}">0</opensearch:startIndex>
  <opensearch:itemsPerPage xmlns:opensearch="{_OPENSEARCH}">{n}</opensearch:itemsPerPage>
{body}</feed>
""".encode()


def _entry(entry: _Entry, categories: Sequence[str]) -> str:
    digest = _digest("arxiv", entry.number)
    address = f"2699.{entry.number:05d}v{1 + digest[0] % 3}"
    day = f"{2012 + digest[1] % 13}-{1 + digest[2] % 12:02d}-{1 + digest[3] % 28:02d}"
    main, other = (categories[digest[i] % len(categories)] for i in (4, 5))
    terms = "".join(
        f'    <category term="{term}" scheme="{_ARXIV}"/>\n' for term in sorted({main, other})
    )
    return f"""  <entry>
    <id>http://arxiv.org/abs/{address}</id>
    <updated>{day}T12:00:00Z</updated>
    <published>{day}T12:00:00Z</published>
    <title>{_wrapped(entry.draft.title)}</title>
    <summary>{_wrapped(entry.draft.abstract)}</summary>
    <author>
      <name>Synthetic Author</name>
    </author>
{_published(entry.published)}    <arxiv:comment xmlns:arxiv="{_ARXIV}">\
{_comment(entry)}</arxiv:comment>
    <link href="http://arxiv.org/abs/{address}" rel="alternate" type="text/html"/>
    <link title="pdf" href="http://arxiv.org/pdf/{address}" rel="related" \
type="application/pdf"/>
    <arxiv:primary_category xmlns:arxiv="{_ARXIV}" term="{main}" scheme="{_ARXIV}"/>
{terms}  </entry>
"""


def _wrapped(text: str) -> str:
    return escape(textwrap.fill(text, 90, subsequent_indent="  ", break_on_hyphens=False))


def _comment(entry: _Entry) -> str:
    return f"{KEYWORD.capitalize()}. {COPYRIGHT} {entry.comment}".rstrip()


def _published(number: int | None) -> str:
    if number is None:
        return ""
    doi = _doi(number)
    return (
        f'    <arxiv:doi xmlns:arxiv="{_ARXIV}">{doi}</arxiv:doi>\n'
        f'    <link title="doi" href="http://dx.doi.org/{doi}" rel="related"/>\n'
    )
