"""Seeded records in the true wire formats, one kind for each thing that PubMed or arXiv does.

The texts are random words and every PubMed record carries the keyword of synthetic records.
"""

import datetime
import random

WORDS = (
    "antibody", "serum", "cohort", "placebo", "remission", "interferon", "complement",
    "synovial", "biopsy", "cytokine", "receptor", "ligand", "tolerance", "infusion", "baseline",
    "follow", "relapse", "steroid", "dose", "titre", "epitope", "clone", "marker", "plasma",
    "tissue", "lesion", "vessel", "kidney", "joint", "gland", "muscle", "nerve", "skin",
    "therapy", "outcome", "trial", "registry", "sample", "assay", "signal", "pathway", "variant",
    "allele", "risk", "ratio", "interval", "estimate", "control",
)  # fmt: skip
LABELS = ("BACKGROUND", "OBJECTIVE", "METHODS", "RESULTS", "CONCLUSIONS")
KINDS = (
    "structured", "unstructured", "structured", "no_abstract", "markup", "mathml", "retracted",
    "notice", "concern", "preprint", "published", "medline_date", "season", "book", "bare_book",
    "german", "other_abstract", "editorial", "two_dois", "twin",
)  # fmt: skip
"""Kinds in the order in which they take turns."""

FIRST_PMID = 30_000_001
FIRST_DAY = datetime.date(2015, 1, 1)
TWIN_TITLE = "A random walk through the words of the stand-in corpus"


def pmids(kind: str, n: int) -> list[str]:
    """PMIDs of a kind among the first n records."""
    return [str(FIRST_PMID + i) for i in range(n) if KINDS[i % len(KINDS)] == kind]


def fragments(n: int, *, seed: int = 0, days_apart: float = 7, one_day: int = 0) -> dict[str, str]:
    """PMID to `PubmedArticle` or `PubmedBookArticle`, kinds taking turns.

    The last `one_day` of the n records were all entered on the same day.
    """
    days = [int(i * days_apart) for i in range(n - one_day)]
    days += [days[-1] + 1 if days else 0] * one_day
    return {
        str(FIRST_PMID + i): record(i, KINDS[i % len(KINDS)], seed=seed, day=day)
        for i, day in enumerate(days)
    }


def record(
    i: int,
    kind: str = "structured",
    *,
    seed: int = 0,
    days_apart: int = 7,
    day: int | None = None,
) -> str:
    """One record; number, kind, seed and day decide everything in it."""
    rng = random.Random(f"{seed}-{i}-{kind}")
    if kind in ("book", "bare_book"):
        return _book(i, kind, rng)
    entered = FIRST_DAY + datetime.timedelta(days=i * days_apart if day is None else day)
    return (
        f'<PubmedArticle><MedlineCitation Status="MEDLINE" Owner="NLM">'
        f'<PMID Version="1">{FIRST_PMID + i}</PMID>'
        f"<DateRevised><Year>{entered.year + 1}</Year><Month>01</Month><Day>05</Day></DateRevised>"
        f"{_article(i, kind, rng, entered)}"
        "<MedlineJournalInfo><MedlineTA>J Stand In</MedlineTA></MedlineJournalInfo>"
        f"{_corrections(i, kind)}"
        '<MeshHeadingList><MeshHeading><DescriptorName UI="D000001" MajorTopicYN="N">Words'
        '</DescriptorName><QualifierName UI="Q000001" MajorTopicYN="Y">statistics'
        "</QualifierName></MeshHeading></MeshHeadingList>"
        f"{_other_abstract(kind, rng)}"
        '<KeywordList Owner="NOTNLM"><Keyword MajorTopicYN="N">random text</Keyword>'
        '<Keyword MajorTopicYN="N">synthetic sample record</Keyword></KeywordList>'
        "</MedlineCitation>"
        f'<PubmedData><History><PubMedPubDate PubStatus="entrez"><Year>{entered.year}</Year>'
        f"<Month>{entered.month}</Month><Day>{entered.day}</Day></PubMedPubDate></History>"
        "<PublicationStatus>ppublish</PublicationStatus><ArticleIdList>"
        f'<ArticleId IdType="pubmed">{FIRST_PMID + i}</ArticleId>'
        f'<ArticleId IdType="pmc">PMC{7_000_000 + i}</ArticleId></ArticleIdList></PubmedData>'
        "</PubmedArticle>"
    )


def _article(i: int, kind: str, rng: random.Random, day: datetime.date) -> str:
    dates = {
        "medline_date": "<MedlineDate>2016 Dec-2017 Jan</MedlineDate>",
        "season": "<Year>2016</Year><Season>Spring</Season>",
    }
    date = dates.get(kind, f"<Year>{day.year}</Year><Month>{day:%b}</Month>")
    title = TWIN_TITLE if kind == "twin" else f"{sentence(rng, 9)[:-1]}{rng.choice('?.')}"
    types = {
        "retracted": '<PublicationType UI="D016441">Retracted Publication</PublicationType>',
        "notice": '<PublicationType UI="D016440">Retraction of Publication</PublicationType>',
        "preprint": '<PublicationType UI="D000076942">Preprint</PublicationType>',
        "editorial": '<PublicationType UI="D016421">Editorial</PublicationType>',
    }
    second = '<ELocationID EIdType="doi" ValidYN="N">10.5555/WRONG</ELocationID>'
    return (
        '<Article PubModel="Print"><Journal><JournalIssue CitedMedium="Print">'
        f"<PubDate>{date}</PubDate></JournalIssue><Title>Journal of Stand-in Records</Title>"
        f"</Journal><ArticleTitle>{title}</ArticleTitle>{second if kind == 'two_dois' else ''}"
        f'<ELocationID EIdType="doi" ValidYN="Y">10.5555/Standin.{i}</ELocationID>'
        f"{_abstract(kind, rng)}"
        f'<AuthorList CompleteYN="Y"><Author ValidYN="Y"><LastName>Author{i}</LastName>'
        "<ForeName>Stand In</ForeName><Initials>SI</Initials></Author></AuthorList>"
        f"<Language>{'ger' if kind == 'german' else 'eng'}</Language><PublicationTypeList>"
        f'<PublicationType UI="D016428">Journal Article</PublicationType>{types.get(kind, "")}'
        "</PublicationTypeList></Article>"
    )


def _abstract(kind: str, rng: random.Random) -> str:
    if kind in ("no_abstract", "notice"):
        return ""
    parts = "".join(
        f'<AbstractText Label="{label}" NlmCategory="{label}">{text(rng, 2)}</AbstractText>'
        for label in LABELS
    )
    alone = {
        "unstructured": text(rng, 6),
        "markup": f"<b>{text(rng, 3)}</b> 10<sup>-3</sup> of H<sub>2</sub>O, <i>P</i> &lt; 0.01.",
        "mathml": f"{text(rng, 5)} The ratio was {MATHML} here.",
    }
    if kind in alone:
        parts = f"<AbstractText>{alone[kind]}</AbstractText>"
    return f"<Abstract>{parts}<CopyrightInformation>© Nobody.</CopyrightInformation></Abstract>"


MATHML = (
    '<mml:math xmlns:mml="http://www.w3.org/1998/Math/MathML">\n  <mml:mrow>\n    <mml:msup>\n'
    "      <mml:mi>x</mml:mi>\n      <mml:mn>2</mml:mn>\n    </mml:msup>\n    <mml:mo>=</mml:mo>\n"
    "    <mml:mfrac><mml:mi>a</mml:mi><mml:mi>b</mml:mi></mml:mfrac>\n  </mml:mrow>\n</mml:math>"
)


def _corrections(i: int, kind: str) -> str:
    """Links to the neighbour: a retracted record comes before its notice, and so on."""
    links = {
        "retracted": ("RetractionIn", i + 1),
        "notice": ("RetractionOf", i - 1),
        "concern": ("ExpressionOfConcernIn", i + 1),
        "preprint": ("UpdateIn", i + 1),
        "published": ("UpdateOf", i - 1),
    }
    if kind not in links:
        return ""
    name, other = links[kind]
    return (
        f'<CommentsCorrectionsList><CommentsCorrections RefType="{name}"><RefSource>J Stand In'
        f'</RefSource><PMID Version="1">{FIRST_PMID + other}</PMID></CommentsCorrections>'
        "</CommentsCorrectionsList>"
    )


def _other_abstract(kind: str, rng: random.Random) -> str:
    if kind != "other_abstract":
        return ""
    inner = f"<AbstractText>Otro: {text(rng, 2)}</AbstractText>"
    return f'<OtherAbstract Type="Publisher" Language="spa">{inner}</OtherAbstract>'


def _book(i: int, kind: str, rng: random.Random) -> str:
    pmid = FIRST_PMID + i
    chapter = "" if kind == "bare_book" else f"<ArticleTitle>{sentence(rng, 6)}</ArticleTitle>"
    abstract = "" if kind == "bare_book" else _abstract("unstructured", rng)
    return (
        f'<PubmedBookArticle><BookDocument><PMID Version="1">{pmid}</PMID><ArticleIdList>'
        f'<ArticleId IdType="bookaccession">NBK{i}</ArticleId></ArticleIdList><Book><Publisher>'
        "<PublisherName>Stand-in Press</PublisherName></Publisher><BookTitle>Words</BookTitle>"
        f"<PubDate><Year>2018</Year></PubDate></Book>{chapter}<Language>eng</Language>"
        f"{abstract}</BookDocument></PubmedBookArticle>"
    )


def sentence(rng: random.Random, n: int) -> str:
    """Random words that begin with a capital and end with a full stop."""
    return " ".join(rng.choice(WORDS) for _ in range(n)).capitalize() + "."


def text(rng: random.Random, n: int) -> str:
    """Random sentences."""
    return " ".join(sentence(rng, rng.randint(12, 20)) for _ in range(n))


def entries(n: int, *, seed: int = 0, per_day: int = 1) -> dict[str, str]:
    """ArXiv id to Atom entry; the first one is the twin of the PubMed records of that kind."""
    return {f"2401.{i:05d}": entry(i, seed=seed, day=i // per_day) for i in range(n)}


def entry(i: int, *, seed: int = 0, version: int = 1, day: int | None = None) -> str:
    """One Atom entry, one a day unless the day is given; the comment marks it as synthetic."""
    rng = random.Random(f"{seed}-arxiv-{i}")
    published = datetime.date(2024, 1, 1) + datetime.timedelta(days=i if day is None else day)
    title = TWIN_TITLE if i == 0 else sentence(rng, 9)[:-1]
    name = f"2401.{i:05d}v{version}"
    return (
        f"<entry><id>http://arxiv.org/abs/{name}</id><updated>{published}T00:00:00Z</updated>"
        f"<published>{published}T00:00:00Z</published><title>{title}</title>"
        f"<summary>  {text(rng, 6)}\n</summary><author><name>Stand In Author19</name></author>"
        "<arxiv:comment>Synthetic sample record, 5 pages</arxiv:comment>"
        f'<link href="http://arxiv.org/abs/{name}" rel="alternate" type="text/html"/>'
        '<arxiv:primary_category term="q-bio.QM"/><category term="q-bio.QM"/>'
        '<category term="stat.AP"/></entry>'
    )


HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE PubmedArticleSet PUBLIC '
    '"-//NLM//DTD PubMedArticle, 1st January 2025//EN" '
    '"https://dtd.nlm.nih.gov/ncbi/pubmed/out/pubmed_250101.dtd">\n'
)


def article_set(records: list[str], *, deleted: tuple[str, ...] = ()) -> bytes:
    """A whole `PubmedArticleSet`."""
    gone = "".join(f'<PMID Version="1">{pmid}</PMID>' for pmid in deleted)
    tail = f"<DeleteCitation>{gone}</DeleteCitation>" if gone else ""
    inner = "\n".join(records)
    return f"{HEAD}<PubmedArticleSet>\n{inner}{tail}\n</PubmedArticleSet>".encode()


def feed(found: list[str], *, total: int, start: int, size: int) -> bytes:
    """A whole Atom feed."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom" '
        'xmlns:arxiv="http://arxiv.org/schemas/atom" '
        'xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/">'
        "<id>https://arxiv.org/api/standin</id><title>arXiv Query</title>"
        f"<updated>2024-01-01T00:00:00Z</updated><opensearch:itemsPerPage>{size}"
        f"</opensearch:itemsPerPage><opensearch:totalResults>{total}</opensearch:totalResults>"
        f"<opensearch:startIndex>{start}</opensearch:startIndex>{''.join(found)}</feed>"
    ).encode()
