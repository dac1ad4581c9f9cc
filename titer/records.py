"""The shared vocabulary: what a paper, an example, a fact, a question and an answer are.

Invariant: records are plain data. They know no file format, no model and no stage.
"""

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self


class Record:
    """Conversion between a dataclass and the JSON object that holds it."""

    def to_json(self) -> dict[str, Any]:
        """The record as plain values, nested records included."""
        row: dict[str, Any] = asdict(self)  # type: ignore[call-overload]
        if row.get("document", row) is None:
            del row["document"]  # so that rows without documents keep their bytes
        return row

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Self:
        """The record held by a JSON object; keys that it does not define are ignored."""
        known = {f.name for f in fields(cls)}  # type: ignore[arg-type]
        return cls(**{key: value for key, value in row.items() if key in known})


# DeepSeek writes its tokens with the full-width bar U+FF5C; Llama 2 and Mistral end an answer with
# </s>, and <S> may be of a statistic
CONTROL_TOKENS = re.compile(
    r"<[|\uff5c][^<>]{0,40}[|\uff5c]>|</?think>|\[/?INST\]|<</?SYS>>|(?-i:</?s>)|"
    r"<(?:unk|pad|bos|eos|(?:start|end)_of_turn)>",
    re.IGNORECASE,
)
"""What a tokenizer of a chat model could take for more than text."""


def without_control(text: str, put: str | Callable[[re.Match[str]], str] = "") -> str:
    """The text without control tokens, those included that taking one out has joined.

    Args:
        put: what stands in place of each, as `re.sub` takes it.
    """
    while (clean := CONTROL_TOKENS.sub(put, text)) != text:
        text = clean
    return text


_OPEN = re.compile(r"cc0\b.*|cc-by(-\d[\d.]*)?", re.IGNORECASE)


def is_open_licence(name: str | None) -> bool:
    """Whether texts under a licence may be passed on by this project's policy: CC0 and CC BY."""
    return _OPEN.fullmatch(name or "") is not None


@dataclass
class Paper(Record):
    """One paper as fetched: identity, text, licence and status, and the bytes it came from."""

    paper_id: str
    """`pmid:123` or `arxiv:2401.00001`, without a version."""
    source: str
    """pubmed, arxiv or document."""
    title: str
    sections: list[dict[str, str]]
    """`{label, category, text}` in order; an unstructured abstract is one section, both empty."""
    body: list[dict[str, str]] = field(default_factory=list)
    """`{label, category, text}` of the open full text, in order; empty without a source of it."""
    body_source: dict[str, str] | None = None
    """`{source, pmcid, sha256}` of the article that the body was read from, where there is one:
    europe_pmc or pmc, and the hash of the article as titer/literature/jats.py defines it."""
    synthetic: bool = False
    """Written for the project's sample collection; no such paper exists."""
    pmid: str | None = None
    arxiv_id: str | None = None
    arxiv_version: int | None = None
    doi: str | None = None
    pmcid: str | None = None
    journal: str | None = None
    authors: list[str] = field(default_factory=list)
    pub_date: str | None = None
    """ISO 8601, possibly only the year or year and month."""
    pub_types: list[str] = field(default_factory=list)
    mesh: list[dict[str, Any]] = field(default_factory=list)
    """`{ui, name, major}`."""
    keywords: list[str] = field(default_factory=list)
    categories: list[str] = field(default_factory=list)
    """arXiv categories, the primary one first."""
    language: list[str] = field(default_factory=list)
    license: dict[str, str | None] | None = None
    """`{id, url, source}` where a source states it, and `text` where that names no known one: its
    id is null then. Ids are those of titer.config.LICENCES, or words such as arxiv-nonexclusive."""
    copyright_text: str | None = None
    retracted: bool = False
    is_retraction_notice: bool = False
    retraction: dict[str, Any] | None = None
    """`{sources, notice_id, date}`; sources name who says so, date is ISO or null."""
    concern: bool = False
    withdrawn: bool = False
    corrections: list[dict[str, str | None]] = field(default_factory=list)
    """`{type, pmid, source}` for each CommentsCorrections element."""
    is_preprint: bool = False
    version_of: str | None = None
    """paper_id of the published version, where the record names it."""
    date_revised: str | None = None
    status: str | None = None
    """Of the PubMed record: MEDLINE, PubMed-not-MEDLINE, In-Process, Publisher, ..."""
    snapshot_date: str | None = None
    """Of the collection, where it was fetched live."""
    query_ids: list[str] = field(default_factory=list)
    raw_sha256: str = ""
    """Of the record's own bytes in the raw response or file, from its start tag to its end tag:
    the same however records were batched. `titer papers why` finds the response by it."""
    missing: bool = False
    """The service listed the id and never delivered the record."""
    sanitised: bool = False
    """Characters that XML forbids, or chat control tokens, were taken out."""
    cluster_id: str = ""
    """paper_id of the canonical record of its duplicates, itself included."""
    document: dict[str, Any] | None = None
    """Of a user's own document `{path, sha256, extractor, version, headings, pages}`: path below
    the folder of documents, `[start, end]` of headings and `[start, page]` in characters of its
    text, the only section. Absent from the JSON of a paper."""

    @property
    def cluster(self) -> str:
        """`cluster_id`; of a paper that no duplicates were looked for, its own id."""
        return self.cluster_id or self.paper_id

    @property
    def abstract(self) -> str:
        """All section texts, joined by a space."""
        return " ".join(section["text"] for section in self.sections)

    @property
    def texts(self) -> list[dict[str, str]]:
        """Sections of the abstract, then those of the body: what spans count."""
        return [*self.sections, *self.body]


@dataclass
class Example(Record):
    """One training row: a conversation with an answer, and where that answer stands."""

    id: str
    messages: list[dict[str, str]]
    """`{role, content}`; the last one is the assistant's answer."""
    recipe: str
    recipe_version: int
    paper_id: str
    source: str
    title: str
    spans: list[list[Any]]
    """`[section, start, end]`: section is an index into Paper.texts, or -1 for the title; start and
    end count characters. The answer is the spans' texts joined by a space, of keywords by a comma.
    Of yes_no it is that after one word; of `generated` the spans are the quote that supports it."""
    cluster_id: str
    split: str = ""
    """train or validation."""
    license: str | None = None
    weak: bool = False
    synthetic: bool = False
    generator: dict[str, Any] | None = None
    """Of a row that a language model wrote: model, revision, prompt_sha256, temperature, seed."""
    document: dict[str, Any] | None = None
    """Of a row from a user's own document `{path, sha256, extractor, version, page, chunk,
    chunking}`: the page of the first span, null where pages are not known; `[start, end]` of the
    chunk in the document's text; how it was cut. Absent from the JSON of other rows."""
    fields: dict[str, Any] = field(default_factory=dict)
    """What the format of a user's file holds beside messages and source; null: it was not there."""

    def to_json(self) -> dict[str, Any]:
        """The row as plain values; `fields` only where there are any."""
        row = super().to_json()
        if not self.fields:
            del row["fields"]
        return row

    @property
    def prompt(self) -> str:
        """The text of everything before the answer."""
        return "\n".join(message["content"] for message in self.messages[:-1])

    @property
    def answer(self) -> str:
        """The text of the answer."""
        return self.messages[-1]["content"]


@dataclass
class Fact(Record):
    """One row of facts.csv: a disease, a relation and the answer."""

    fact_id: str
    disease: str
    disease_synonyms: list[str]
    relation: str
    answer: str
    answer_synonyms: list[str]
    also_true: list[str]
    strength: str
    source_org: str
    source_title: str
    source_year: str
    verified: str
    """source: the cited document was read; memory: it was not."""


@dataclass
class ClosedItem(Record):
    """One closed question in one wording with its candidate answers."""

    id: str
    """Of fact, direction and wording: `F001:forward:q1`; of general items `G001`."""
    set: str
    """facts or general."""
    question: str
    candidates: list[str]
    gold: int
    """Index into candidates."""
    cluster: str
    """What the resampling unit is: the disease, or the category."""
    relation: str
    fact_id: str = ""
    direction: str = "forward"
    template_id: str = ""
    format: str = "cloze"
    part: str = "test"
    """dev or test."""
    blind_question: str | None = None
    """The question with the disease replaced; null where that makes no sense."""


@dataclass
class Question(Record):
    """One open question; only the first four fields are required of a user's own file."""

    id: str
    category: str
    difficulty: str
    question: str
    type: str = "open"
    """open (the core, and a user's own), extended or safety."""
    reference_answer: str | None = None
    key_points: list[dict[str, Any]] = field(default_factory=list)
    must_not: list[dict[str, Any]] = field(default_factory=list)
    sources: list[dict[str, Any]] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)


@dataclass
class Answer(Record):
    """One answer of one model; the first seven fields keep the source system's names and order."""

    id: str
    category: str
    difficulty: str
    question: str
    response: str
    """The final answer only, without the thought."""
    time_seconds: float
    """The batch's time divided by its size."""
    timestamp: str
    model: str = ""
    precision: str = ""
    sample_index: int = 0
    seed: int = 0
    response_raw: str = ""
    reasoning: str = ""
    reasoning_state: str = "none"
    """none, closed or unclosed."""
    prompt_sha256: str = ""
    prompt_tokens: int = 0
    response_tokens: int = 0
    finish_reason: str = ""
    """stop or length."""
    ref_logprob: float | None = None
    """Natural-log likelihood of the reference answer after the prompt."""
    ref_bytes: int | None = None
    """UTF-8 bytes of the reference answer."""
    error: str | None = None
    flags: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class BenchmarkText:
    """One question as it is asked, with what counts as its right answer."""

    id: str
    question: str
    answer: str
    """Gold answer or reference; empty if there is none."""
    kind: str
    """open, safety, closed or general."""
    ids: frozenset[str] = frozenset()
    """PMIDs, DOIs and arXiv ids of the papers that the item was made from."""
