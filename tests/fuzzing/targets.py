"""Every reader of what others wrote, as a function of bytes, with whole files to begin from."""

import dataclasses
import io
import json
import shutil
import zipfile
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from tests.fuzzing import our_records, project_files
from tests.fuzzing.target import Target, folder, sample, short_yaml, written
from titer import files
from titer.errors import TiterError
from titer.examples.documents import reader
from titer.examples.formats import interop
from titer.examples.formats.reading import Reading
from titer.literature import answers, europe_pmc, excluded, jats, parse, retractions
from titer.literature.http import Unusable
from titer.registry.record import BASE_KEYS, Record

# -- literature

PUBMED = b"""<?xml version="1.0"?><PubmedArticleSet><PubmedArticle><MedlineCitation><PMID>1</PMID>
<Article><Journal><Title>J</Title><JournalIssue><PubDate><Year>2020</Year></PubDate></JournalIssue>
</Journal><ArticleTitle>A <i>title</i></ArticleTitle><Abstract><AbstractText Label="AIM">One &amp;
two.</AbstractText></Abstract><Language>eng</Language></Article><CommentsCorrectionsList>
<CommentsCorrections RefType="RetractionIn"><PMID>2</PMID></CommentsCorrections>
</CommentsCorrectionsList></MedlineCitation></PubmedArticle><DeleteCitation><PMID>3</PMID>
</DeleteCitation></PubmedArticleSet>"""
ATOM = b"""<feed xmlns="http://www.w3.org/2005/Atom"><entry><id>http://arxiv.org/abs/2001.00001v2</id>
<title>T</title><summary>S.</summary><published>2020-01-01T00:00:00Z</published><updated>
2020-01-02T00:00:00Z</updated><author><name>A</name></author><category term="q-bio.QM"/></entry>
</feed>"""
SEARCH = b"<eSearchResult><Count>2</Count><IdList><Id>1</Id><Id>2</Id></IdList></eSearchResult>"
JATS = b"""<article><front><article-meta><article-id pub-id-type="pmcid">PMC1</article-id>
<permissions><license><license-p>CC BY 4.0</license-p></license></permissions></article-meta>
</front>
<body><sec><title>Methods</title><p>Text<sup><xref ref-type="bibr">1</xref></sup>.</p></sec></body>
</article>"""
PAGE = (
    b'{"hitCount": 1, "nextCursorMark": "b", "resultList": {"result": [{"id": "1", "pmid": "1"}]}}'
)
NOTICES = (
    b"Record ID,Title,RetractionDate,RetractionDOI,RetractionPubMedID,OriginalPaperDate,"
    b"OriginalPaperDOI,OriginalPaperPubMedID,RetractionNature,Reason\n"
    b"1,T,1/2/2020 0:00,10.1/a,1,1/1/2019 0:00,10.1/b,2,Retraction,+Error;\n"
)
ON_THE_WIRE = (TiterError, Unusable)


def read_search(data: bytes) -> object:
    return answers.search_result(answers.root_of(data, "eSearchResult"))


def read_article(data: bytes) -> object:
    return jats.read_article(europe_pmc._article(data, "PMC1"), source="PMC")


def read_page(data: bytes) -> object:
    return europe_pmc._page(data, left=frozenset({"1"}), n_seen=0, cursor="a")


# -- rows, conversations, documents


def read_rows(suffix: str) -> Callable[[bytes], object]:
    def read(data: bytes) -> object:
        return list(Reading(written(data, f"rows.{suffix}")))

    return read


def read_dataset_info(data: bytes) -> object:
    written(data, "dataset_info.json")
    written(b'{"instruction": "a", "output": "b"}\n', "rows.jsonl")
    return list(interop.described(folder()))


def read_axolotl(data: bytes) -> object:
    return interop.find(written(data, "axolotl.yaml"), None)


def read_conversations(data: bytes) -> object:
    from titer.conversations import reading

    return list(reading.read(written(data, "chats.jsonl"), reading.Given(domain="autoimmune")))


def read_document(suffix: str) -> Callable[[bytes], object]:
    # `answer` keeps what the libraries raise to itself: hangs and memory are what is looked for
    def read(data: bytes) -> object:
        found = reader.answer(written(data, f"document.{suffix}"), max_pages=20)
        assert ("reason" in found) != ("blocks" in found or "text" in found), found
        return found

    return read


def word_file() -> bytes:
    from docx import Document

    document = Document()
    document.add_heading("A title", 1)
    document.add_paragraph("A paragraph of some words that says a thing.")
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def pdf_file() -> bytes:
    from fpdf import FPDF

    pdf = FPDF()
    pdf.add_page()
    pdf.set_font("helvetica", size=12)
    pdf.cell(text="A paragraph of some words that says a thing.")
    return bytes(pdf.output())


# -- benchmark, settings, results


def read_questions(name: str, file: str) -> Callable[[bytes], object]:
    def read(data: bytes) -> object:
        from titer.evaluation import questions

        return getattr(questions, name)(written(data, file))

    return read


def read_reviews(data: bytes) -> object:
    from titer.evaluation import reviews

    return reviews.load(written(data, "reviews.csv"))


def read_settings(data: bytes) -> object:
    from titer import runner

    choices, chosen = default_choices()
    values = runner.read_yaml(written(data, "params.yaml"))
    own = {key: value for key, value in values.items() if key not in choices}
    return runner.typed(runner._merged(chosen, {"params.yaml": own}))


@lru_cache
def default_choices() -> tuple[dict[str, str], Any]:
    """The choices of params.yaml, and the files of conf/ that they name."""
    from titer import runner

    choices, _ = runner.load_params()
    return choices, runner.of_choices(choices)


def read_pack(data: bytes) -> object:
    from titer.report import pack

    target = folder() / "unpacked"
    shutil.rmtree(target, ignore_errors=True)
    before = set(folder().iterdir())
    try:
        return pack._unpack(written(data, "pack.zip"), target)
    finally:
        extra = set(folder().iterdir()) - before - {folder() / "pack.zip", target}
        assert not extra, f"left the folder: {extra}"


def a_pack(papers: str = "data/papers") -> bytes:
    content = {"results/stats.json": b"{}"}
    manifest = {
        "sha256": {name: files.sha256_bytes(body) for name, body in content.items()},
        "reads": {"papers": papers}, "writes": {"stats": "results/stats.json"},
    }  # fmt: skip
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, body in content.items():
            archive.writestr(name, body)
        archive.writestr("manifest.json", json.dumps(manifest))
    return out.getvalue()


def read_version(data: bytes) -> object:
    from titer.registry import record

    return record.from_text(data.decode("utf-8", "replace"), "refs/tags/a@v1.0.0")


def read_adapter_settings(data: bytes) -> object:
    from titer.training import adopt

    place = folder() / "adapter"
    place.mkdir(exist_ok=True)
    (place / adopt.WEIGHTS).write_bytes(b"")
    (place / adopt.CONFIG).write_bytes(data)
    return adopt._config(place)


def read_model_settings(data: bytes) -> object:
    from titer.modeling import weights

    written(data, "config.json")
    return weights.context_length(folder()), weights.is_encoder_decoder(folder())


def read_weight_index(data: bytes) -> object:
    from titer.modeling import weights

    written(data, "model.safetensors.index.json")
    names = weights.weight_files(folder())
    assert all(name.parent == folder() for name in names), names
    return names


def read_tensors(data: bytes) -> object:
    from titer.modeling import weights

    return weights.tensor_shapes(written(data, "model.safetensors"))


def tensors() -> bytes:
    import numpy as np
    from safetensors.numpy import save

    return bytes(save({"a.weight": np.zeros((2, 3), np.float32)}))


def read_json_rows(data: bytes) -> object:
    return list(files.read_jsonl(written(data, "rows.jsonl")))


def read_json(data: bytes) -> object:
    return files.read_json(written(data, "value.json"))


def read_completion(data: bytes) -> object:
    from titer.modeling import endpoint

    return endpoint._content(data)


def completion_refusals() -> tuple[type[Exception], ...]:
    from titer.modeling import endpoint

    return (TiterError, endpoint._Unusable)


ROWS = {
    "jsonl": b'{"instruction": "a", "input": "", "output": "b"}\n{"messages": [{"role": "user", '
    b'"content": "a"}, {"role": "assistant", "content": "b"}]}\n',
    "json": b'[{"conversations": [{"from": "human", "value": "a"}, '
    b'{"from": "gpt", "value": "b"}]}]',
    "csv": b'question,answer,source\na,"b, ""c""",pmid:1\n',
    "txt": b"### Instruction:\na\n\n### Response:\nb\n",
}
CHATS = (
    b'{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], '
    b'"satisfaction": 0.9, "consent": {"basis": "tick box", "date": "2026-01-01"}}\n'
)
VERSION = json.dumps(
    {field.name: "a" for field in dataclasses.fields(Record)}
    | {"schema_version": 1, "base": dict.fromkeys(BASE_KEYS, "a"), "metrics": {"n": 1}}
).encode()
LORA = json.dumps(
    {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": 8, "lora_alpha": 16, "auto_mapping": None}
).encode()
COMPLETION = b'{"choices": [{"message": {"role": "assistant", "content": "a"}}]}'


@lru_cache
def all_targets() -> dict[str, Target]:
    """Name -> target; the name is what a person types."""
    benchmark = "data/benchmark/autoimmune"
    return {
        "pubmed": Target(parse.parse_pubmed, (PUBMED,)),
        "atom": Target(parse.parse_atom, (ATOM,)),
        "search": Target(read_search, (SEARCH, b'{"error": "rate limit"}'), ON_THE_WIRE),
        "article": Target(read_article, (JATS,), ON_THE_WIRE),
        "europe_pmc": Target(read_page, (PAGE,), ON_THE_WIRE),
        "retractions": Target(lambda data: retractions.read_table(data, "table"), (NOTICES,)),
        "excluded": Target(
            lambda data: excluded.read_excluded(written(data, "excluded.txt")),
            (b"# why\npmid:1\n10.1/a\narxiv:2001.00001\n",),
        ),
        **{f"rows_{suffix}": Target(read_rows(suffix), (seed,)) for suffix, seed in ROWS.items()},
        "rows_parquet": Target(read_rows("parquet"), (parquet(),)),
        "dataset_info": Target(
            read_dataset_info,
            (b'{"a": {"file_name": "rows.jsonl", "formatting": "alpaca", "columns": {}}}',),
        ),
        "axolotl": Target(read_axolotl, (b"datasets:\n  - path: rows.jsonl\n    type: alpaca\n",)),
        "conversations": Target(read_conversations, (CHATS, b"[" + CHATS.strip() + b"]")),
        "document_html": Target(
            read_document("html"), (b"<html><body><h1>T</h1><p>Some words here.</p></body></html>",)
        ),
        "document_md": Target(read_document("md"), (b"# T\n\nSome *words*.\n\n- a\n- b\n",)),
        "document_docx": Target(read_document("docx"), (word_file(),)),
        "document_pdf": Target(read_document("pdf"), (pdf_file(),)),
        "facts": Target(
            read_questions("load_facts", "facts.csv"), (sample(f"{benchmark}/facts.csv", 4),)
        ),
        "templates": Target(
            read_questions("load_templates", "templates.yaml"),
            (short_yaml(f"{benchmark}/templates.yaml"),),
        ),
        "open_questions": Target(
            read_questions("load_questions", "open.jsonl"), (sample(f"{benchmark}/open.jsonl", 2),)
        ),
        "reviews": Target(
            read_reviews,
            (b"answer_sha256,item_id,key_point,verdict,reviewer,note\nabcdef012345,Q1,p,met,r,\n",),
        ),
        "settings": Target(read_settings, (sample("params.yaml"),)),
        "pack": Target(read_pack, (a_pack(),)),
        "version": Target(read_version, (VERSION,)),
        "adapter_settings": Target(read_adapter_settings, (LORA,)),
        "model_settings": Target(
            read_model_settings, (b'{"max_position_embeddings": 64, "n_positions": null}',)
        ),
        "weight_index": Target(
            read_weight_index, (b'{"weight_map": {"a": "model-1-of-2.safetensors"}}',)
        ),
        "tensors": Target(read_tensors, (tensors(),)),
        "json_rows": Target(read_json_rows, (b'{"a": 1}\n{"b": [2]}\n',)),
        "json": Target(read_json, (b'{"a": [1, 2.5, null, "x"]}',)),
        "completion": Target(read_completion, (COMPLETION,), completion_refusals()),
        **our_records.all_targets(),
        **project_files.all_targets(
            {
                "completion": COMPLETION,
                "lora": LORA,
                "pubmed": PUBMED,
                "atom": ATOM,
                "tensors": tensors(),
            }
        ),
    }


def parquet() -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    out = io.BytesIO()
    pq.write_table(pa.table({"question": ["a"], "answer": ["b"]}), out)
    return out.getvalue()
