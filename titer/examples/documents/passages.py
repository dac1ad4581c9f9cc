"""A chunk of a document to examples, by the recipes and checks that a paper's abstract passes.

Invariant: every answer is one or more spans of the document's text; a section answers for its
heading only where the chunk holds all that the document says under it.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from titer.config import ExamplesSettings
from titer.examples.documents import chunking
from titer.examples.documents.chunking import Chunk, Section
from titer.examples.documents.extracted import Extracted
from titer.examples.documents.paragraphs import bare_heading
from titer.examples.fitness import MIN_TITLE_WORDS
from titer.examples.recipes import paper_examples
from titer.examples.sections import UNASSIGNED, category
from titer.examples.spans import TITLE, Span, page_of
from titer.files import sha256_text
from titer.records import Example, Paper

_OF_ABSTRACTS = ("summarise", "keywords")
"""Recipes whose wordings say `abstract`, always before the text they are about."""


def examples(
    paper: Paper,
    document: Extracted,
    parts: Sequence[Section],
    chunks: Sequence[Chunk],
    settings: ExamplesSettings,
) -> list[Example]:
    """Examples of all chunks, each once, `split` still empty; in order of the chunks.

    Args:
        paper: the document as a record, its text the only section.
        document: the same as it was extracted.
        parts: its sections.
        chunks: of its text.
        settings: recipes, examples per chunk (`per_paper`) and the seed of the wordings.
    """
    complete = _complete_categories(document, parts)
    made: dict[str, Example] = {}
    for chunk in chunks:
        passage = _Passage(paper, document, parts, chunk, complete)
        for example in passage.examples(settings):
            # a sentence in the overlap of two chunks is asked about once
            made.setdefault(example.id, example)
    return list(made.values())


def _complete_categories(document: Extracted, parts: Sequence[Section]) -> dict[str, list[Section]]:
    """For each category of headings its sections."""
    found: dict[str, list[Section]] = {}
    for part in parts:
        name = category({"label": _label(document, part), "category": ""})
        if name not in ("", UNASSIGNED):
            found.setdefault(name, []).append(part)
    return found


def _label(document: Extracted, part: Section) -> str:
    return bare_heading(document.text[slice(*part.heading)]) if part.heading else ""


class _Passage:
    """One chunk, in the form of a paper for the recipes."""

    def __init__(
        self,
        paper: Paper,
        document: Extracted,
        parts: Sequence[Section],
        chunk: Chunk,
        complete: Mapping[str, Sequence[Section]],
    ) -> None:
        self.paper, self.document, self.chunk = paper, document, chunk
        first = bisect_right(parts, chunk.start, key=lambda part: part.end)
        last = bisect_left(parts, chunk.end, key=lambda part: part.start)
        self.pieces = [
            (part, max(part.start, chunk.start), min(part.end, chunk.end))
            for part in parts[first:last]
        ]
        self.is_all = len(self.pieces) == len(parts) and all(map(self._is_whole, parts))
        self.complete = complete

    def examples(self, settings: ExamplesSettings) -> Iterator[Example]:
        titled = self._titling_heading()
        view = replace(
            self.paper,
            paper_id=f"{self.paper.paper_id}#{self.chunk.start}",  # another wording per chunk
            title=self.document.text[slice(*titled)] if titled else self.paper.title,
            sections=[self._section(*piece, is_title=bool(titled)) for piece in self.pieces],
        )
        made = paper_examples(
            view, recipes=settings.recipes, per_paper=settings.per_paper, seed=settings.seed
        )
        for example in made:
            is_title = any(span[0] == TITLE for span in example.spans)
            if not is_title or titled or self.is_all:
                yield self._placed(example, titled, settings)

    def _is_whole(self, part: Section) -> bool:
        return self.chunk.start <= part.start and part.end <= self.chunk.end

    def _titling_heading(self) -> tuple[int, int] | None:
        """The heading of the one section that the chunk is, where it can stand as a title."""
        if self.is_all or len(self.pieces) != 1:
            return None
        part = self.pieces[0][0]
        if part.heading is None or not self._is_whole(part):
            return None
        is_title = len(self.document.text[slice(*part.heading)].split()) >= MIN_TITLE_WORDS
        return part.heading if is_title else None

    def _section(self, part: Section, start: int, end: int, *, is_title: bool) -> dict[str, str]:
        label = _label(self.document, part)
        name = category({"label": label, "category": ""})
        all_here = all(map(self._is_whole, self.complete.get(name, [part])))
        is_known = name not in ("", UNASSIGNED)
        shown = label if is_known and all_here and not is_title else ""
        return {"label": shown, "category": "", "text": self.document.text[start:end]}

    def _placed(
        self, example: Example, titled: tuple[int, int] | None, settings: ExamplesSettings
    ) -> Example:
        """The example with spans in the document and with where it comes from."""
        spans = [self._span(span, titled) for span in example.spans]
        paper_id = self.paper.paper_id
        *before, question, answer = example.messages
        if example.recipe in _OF_ABSTRACTS:
            wording, rest = question["content"].split("\n\n", 1)
            wording = wording.replace("abstract", "text")
            question = {**question, "content": f"{wording}\n\n{rest}"}
        return replace(
            example,
            id=sha256_text(f"{example.recipe}|{paper_id}|{spans}")[:16],
            messages=[*before, question, answer],
            paper_id=paper_id,
            title=self.paper.title,
            spans=spans,
            document=self._provenance(spans, settings),
        )

    def _span(self, span: Span, titled: tuple[int, int] | None) -> Span:
        number, start, end = span
        if number != TITLE:
            first = self.pieces[number][1]
            return [0, first + start, first + end]
        return [0, titled[0] + start, titled[0] + end] if titled else span

    def _provenance(self, spans: Sequence[Span], settings: ExamplesSettings) -> dict[str, Any]:
        known = self.paper.document or {}
        first = next((start for number, start, _ in spans if number != TITLE), 0)
        cutting = asdict(settings.documents)
        return {
            **{key: known[key] for key in ("path", "sha256", "extractor", "version")},
            "page": page_of(known["pages"], first),
            "chunk": [self.chunk.start, self.chunk.end],
            "chunking": {
                "version": chunking.VERSION,
                **{key: cutting[key] for key in ("unit", "chunk_size", "overlap")},
            },
        }
