"""The settings: one dataclass per section of params.yaml or group of conf/, each key explained.

Invariant: no field has a default, so what params.yaml and conf/ spell out is what runs. Range
checks stand in `__post_init__` and run when the merged files become these objects
(titer/runner.py). Only the standard library is imported here; libraries take these objects, never
files or argv.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from titer.errors import ConfigError, did_you_mean


def check(ok: bool, key: str, value: object, allowed: str) -> None:
    """Refuse a value outside its range.

    Raises:
        ConfigError: `key = value: must be allowed`.
    """
    if not ok:
        raise ConfigError(f"{key} = {value!r}: must be {allowed}")


def check_seed(key: str, seed: int) -> None:
    """Refuse a seed that numpy refuses, with room for the seeds after it."""
    check(0 <= seed < 2**31, key, seed, "from 0 to 2,147,483,647")


def check_words(key: str, words: Sequence[str], known: Sequence[str]) -> None:
    """Refuse a list with a word that is not known, naming the nearest one."""
    for word in words:
        hint = did_you_mean(word, known)
        check(word in known, key, word, f"one of {', '.join(known)}{hint}")


class ModelSource(StrEnum):
    """Where a base model comes from."""

    pocket = "pocket"
    hub = "hub"
    path = "path"


class Dtype(StrEnum):
    """Number format of weights."""

    float32 = "float32"
    bfloat16 = "bfloat16"


class Think(StrEnum):
    """Think policy, the same in training and use (reference: training, section 5)."""

    keep = "keep"
    empty = "empty"
    none = "none"


class Device(StrEnum):
    """Where tensors live."""

    cpu = "cpu"
    cuda = "cuda"


class PapersSource(StrEnum):
    """Where papers come from."""

    sample = "sample"
    files = "files"
    live = "live"


class OnLeak(StrEnum):
    """What a training example that the benchmark asks leads to."""

    drop = "drop"
    fail = "fail"


class OnConcern(StrEnum):
    """What an expression of concern about a paper leads to."""

    drop = "drop"
    keep = "keep"


class LengthUnit(StrEnum):
    """What the length of a chunk counts."""

    characters = "characters"
    tokens = "tokens"


class OnLong(StrEnum):
    """What a row longer than the model's max_length leads to."""

    drop = "drop"
    fail = "fail"


class AdapterSource(StrEnum):
    """Where the adapter comes from."""

    train = "train"
    path = "path"


class Keep(StrEnum):
    """Which weights a run leaves."""

    last = "last"
    best = "best"


class ExampleSources(StrEnum):
    """What training rows are made from."""

    papers = "papers"
    own = "own"
    both = "both"


FINE_TUNES = ("qlora", "full")
"""The fine-tunes, each a section of params.yaml and a folder below models/."""

RECIPES = (
    "fact_question",
    "conclusion",
    "closed_book_conclusion",
    "section_question",
    "summarise",
    "keywords",
    "inference",
    "cloze",
    "yes_no",
)
"""Names of the recipes that turn a paper into examples (titer/examples/recipes.py)."""

LICENCES = ("cc0", "cc-by", "cc-by-sa", "cc-by-nd", "cc-by-nc", "cc-by-nc-sa", "cc-by-nc-nd")
"""Licences that `examples.licences` may name, in the spelling of `Paper.license["id"]`."""

ENDPOINT_VERSIONS = {"closed_acc": 1, "keypoint_recall": 1, "ref_bpb": 1}
"""What `plan.primary` may name, with the version of its definition: a change of how an endpoint is
computed raises its number, and with it the plan's hash."""

FORMATS = ("cloze", "reverse", "letter")
"""Formats of the closed items: forward cloze is always scored, the others are switched on."""


@dataclass
class PretrainingSettings:
    """How the pocket model is built; null for every model that is not built here."""

    seed: int
    """Of initial weights and of the order of the text."""
    steps: int
    """Optimiser steps."""
    batch_tokens: int
    """Tokens per step."""
    learning_rate: float
    """Peak, after a linear warm-up and before a cosine decay."""
    vocab_size: int
    """Entries of the byte-level BPE tokenizer."""
    hidden_size: int
    """A multiple of 64, so that NF4 blocks fill whole rows."""
    intermediate_size: int
    """Width of the feed-forward layers, a multiple of 64."""
    n_layers: int
    """Decoder layers."""
    n_heads: int
    """Attention heads."""
    n_kv_heads: int
    """Key and value heads."""

    def __post_init__(self) -> None:
        """Check ranges."""
        for key in ("hidden_size", "intermediate_size"):
            size = getattr(self, key)
            ok = size > 0 and size % 64 == 0
            check(ok, f"model.pretraining.{key}", size, "a positive multiple of 64 (NF4 blocks)")
        for key in ("steps", "batch_tokens", "n_layers", "n_heads", "n_kv_heads"):
            value = getattr(self, key)
            check(value >= 1, f"model.pretraining.{key}", value, "at least 1")
        check(self.vocab_size >= 512, "model.pretraining.vocab_size", self.vocab_size, ">= 512")
        rate = self.learning_rate
        check(0 < rate < 1, "model.pretraining.learning_rate", rate, "between 0 and 1")
        check_seed("model.pretraining.seed", self.seed)
        for key, of in (("n_heads", self.hidden_size), ("n_kv_heads", self.n_heads)):
            value = getattr(self, key)
            check(of % value == 0, f"model.pretraining.{key}", value, f"a divisor of {of}")


@dataclass
class GenerationSettings:
    """How the model answers open questions."""

    temperature: float
    """0 is greedy."""
    top_p: float
    """Share of probability kept when sampling, in (0, 1]."""
    samples: int
    """Answers per question; more than one only when sampling."""
    max_new_tokens: int
    """Limit of one answer, thoughts included."""

    def __post_init__(self) -> None:
        """Check ranges."""
        at = "model.generation"
        is_right = self.temperature == 0 or 0.01 <= self.temperature <= 2  # less overflows
        check(is_right, f"{at}.temperature", self.temperature, "0, or from 0.01 to 2")
        check(0 < self.top_p <= 1, f"{at}.top_p", self.top_p, "above 0 and at most 1")
        check(self.samples >= 1, f"{at}.samples", self.samples, "at least 1")
        greedy = self.temperature == 0
        check(not greedy or self.samples == 1, f"{at}.samples", self.samples, "1 when greedy")
        check(self.max_new_tokens >= 1, f"{at}.max_new_tokens", self.max_new_tokens, "at least 1")


@dataclass
class LearningRates:
    """Peak learning rates that suit the model, used where a section says null."""

    qlora: float
    full: float

    def __post_init__(self) -> None:
        """Check ranges."""
        for key in ("qlora", "full"):
            rate = getattr(self, key)
            check(0 < rate < 1, f"model.learning_rate.{key}", rate, "between 0 and 1")


@dataclass
class ModelSettings:
    """conf/model/<name>.yaml: identity, number format, template and limits of a base model."""

    source: ModelSource
    """pocket: built here from data/pretraining; hub: Hugging Face; path: a local folder."""
    repo_id: str | None
    """hub: owner/name."""
    revision: str | None
    """hub: a commit of 40 hex digits; null downloads the newest and is called unpinned."""
    path: str | None
    """path: a folder with config.json, tokenizer files and safetensors weights."""
    pretraining: PretrainingSettings | None
    """pocket only."""
    dtype: Dtype
    """Of the weights at rest and in the full-precision benchmark."""
    max_length: int
    """Tokens per training row; longer rows follow examples.on_long."""
    attention_factor: float | None
    """YaRN: written into the configuration, because transformers ignores the repository's key."""
    think: Think
    """keep, empty or none."""
    generation: GenerationSettings
    learning_rate: LearningRates

    def __post_init__(self) -> None:
        """Check ranges and that the keys fit the source."""
        check(self.max_length >= 16, "model.max_length", self.max_length, "at least 16 tokens")
        factor = self.attention_factor
        ok = factor is None or 0 < factor < math.inf
        check(ok, "model.attention_factor", factor, "null or a number above 0")
        hexdigits = self.revision is None or (
            len(self.revision) == 40 and not set(self.revision) - set("0123456789abcdef")
        )
        check(hexdigits, "model.revision", self.revision, "null or a commit of 40 hex digits")
        needed = {"hub": "repo_id", "path": "path", "pocket": "pretraining"}[self.source]
        value = getattr(self, needed)
        check(value is not None, f"model.{needed}", value, f"given when model.source={self.source}")


LONGEST_PHRASE = 50
"""Of a domain's wording, in characters."""


@dataclass
class DomainSettings:
    """conf/domain/<name>.yaml: what is searched and which words belong to the domain."""

    title: str
    """Shown in the report."""
    pubmed_queries: list[str]
    """PubMed search terms, each fetched on its own."""
    arxiv_queries: list[str]
    """arXiv search terms in the syntax of its API."""
    lexicon: list[str]
    """Words that mark a text as belonging to the domain."""
    entities: list[str]
    """Relations whose answers are things, such as drugs: naming another subject's is counted."""
    tags: list[str]
    """Of the data card, as on the Hugging Face hub."""
    wording: dict[str, str]
    """Phrase of the report and the cards -> this domain's phrase, where theirs does not fit."""

    def __post_init__(self) -> None:
        """Check the phrases."""
        longest = max(self.wording, key=len, default="")
        # dvc.lock holds them as keys, and its writer wraps a long one into YAML that is none
        check(len(longest) <= LONGEST_PHRASE, "domain.wording", longest,
              f"phrases of at most {LONGEST_PHRASE} characters")  # fmt: skip


@dataclass
class PubmedSettings:
    """The E-utilities client."""

    enabled: bool
    base_url: str
    """Without the trailing /entrez; only this host is ever asked."""
    max_papers_per_query: int
    """0 takes all that the query finds."""
    batch_size: int
    """Records per efetch request."""
    gap_s: float
    """Seconds between requests without NCBI_API_KEY (limit: 3 requests/s)."""
    gap_with_key_s: float
    """Seconds between requests with a key (limit: 10 requests/s)."""
    workers: int
    """Parallel requests without a key."""
    workers_with_key: int
    """Parallel requests with a key."""


@dataclass
class ArxivSettings:
    """The arXiv client: one connection, always."""

    enabled: bool
    base_url: str
    max_papers_per_query: int
    """0 takes all that the query finds."""
    page_size: int
    """Entries per request, at most 2,000."""
    gap_s: float
    """Seconds between requests (terms of use: 3)."""


@dataclass
class EuropePmcSettings:
    """Europe PMC's REST service: what it adds to PubMed records."""

    enabled: bool
    """Asks for licence, open-access status and PMC id of each PubMed record."""
    full_text: bool
    """Fetches the body of open-access papers as well."""
    base_url: str
    """Without the trailing /europepmc; only this host is ever asked."""
    batch_size: int
    """Ids per request."""
    gap_s: float
    """Seconds between requests."""

    def __post_init__(self) -> None:
        """Check ranges; the service gives at most 1,000 results per page."""
        at = "papers.europe_pmc.batch_size"
        check(1 <= self.batch_size <= 1000, at, self.batch_size, "from 1 to 1000")
        check(self.gap_s >= 0, "papers.europe_pmc.gap_s", self.gap_s, "at least 0")


@dataclass
class PmcSettings:
    """PubMed Central through efetch db=pmc, paced together with PubMed."""

    enabled: bool
    """Fetches the body of papers of the open-access subset."""
    batch_size: int
    """Records per request."""

    def __post_init__(self) -> None:
        """Check ranges."""
        check(self.batch_size >= 1, "papers.pmc.batch_size", self.batch_size, "at least 1")


@dataclass
class ArxivOaiSettings:
    """arXiv's OAI-PMH service: the licences, which its Atom feed lacks."""

    enabled: bool
    base_url: str
    """Without the trailing /oai; paced together with the arXiv API."""


@dataclass
class RetractionWatchSettings:
    """The Retraction Watch table, published by Crossref."""

    enabled: bool
    source: str
    """A CSV file below data/own/retractions, or an https address, kept per snapshot."""


@dataclass
class PapersSettings:
    """conf/papers/<name>.yaml: where papers come from."""

    source: PapersSource
    path: str | None
    """files: a file or folder of PubMed XML (.xml, .xml.gz) or arXiv Atom below the domain's
    data/own/<domain>/papers; null: all of that folder."""
    snapshot: str | None
    """live: a quoted date, YYYY-MM-DD; nothing newer is asked for. A new date fetches again."""
    offline: bool
    """live: answer from the cache only and fail on a miss."""
    cache_dir: str
    """Raw responses, below the project's root and outside every out."""
    timeout_s: float
    """Of connecting and of reading."""
    max_tries: int
    """Per request, before the stage stops and says how to continue."""
    allow_no_hits: bool
    """Whether a query without hits is fine; else it is an error."""
    pubmed: PubmedSettings
    arxiv: ArxivSettings
    europe_pmc: EuropePmcSettings
    pmc: PmcSettings
    arxiv_oai: ArxivOaiSettings
    retraction_watch: RetractionWatchSettings

    def __post_init__(self) -> None:
        """Check ranges and that the keys fit the source."""
        check(
            self.source != PapersSource.live or self.snapshot is not None,
            "papers.snapshot", self.snapshot, "a quoted date when papers.source=live",
        )  # fmt: skip
        asks = self.europe_pmc.enabled or self.pmc.enabled or self.arxiv_oai.enabled
        watch = self.retraction_watch.enabled and "://" in self.retraction_watch.source
        check(
            self.source != PapersSource.files or self.snapshot is not None or not (asks or watch),
            "papers.snapshot", self.snapshot, "a quoted date when further services are asked",
        )  # fmt: skip
        check(self.max_tries >= 1, "papers.max_tries", self.max_tries, "at least 1")
        check(self.timeout_s > 0, "papers.timeout_s", self.timeout_s, "above 0")


@dataclass
class OptimizerNames:
    """Names that transformers' TrainingArguments.optim takes."""

    qlora: str
    full: str


@dataclass
class HardwareSettings:
    """conf/hardware/<name>.yaml: the machine and what fits on it."""

    device: Device
    memory_gib: float
    """Memory that training may use: the GPU's, or on the CPU the machine's."""
    precision: Dtype
    """Of the arithmetic in training and in the benchmark."""
    optimizer: OptimizerNames
    micro_batch_tokens: int
    """Padded tokens that one forward and backward pass may hold."""
    checkpointing: bool
    """Recompute activations: less memory, 12-18 % slower."""
    packing: bool
    """Lay the rows of a pass end to end instead of padding them; no row sees another."""
    processes: int
    """Training processes per machine, one per GPU."""
    machines: int
    """Machines that train together, in one SLURM allocation."""
    report_to: list[str]
    """Trackers besides our own files: wandb, mlflow, tensorboard, dvclive; files below runs/."""

    def __post_init__(self) -> None:
        """Check ranges."""
        check(self.memory_gib > 0, "hardware.memory_gib", self.memory_gib, "above 0")
        check(
            self.micro_batch_tokens >= 16,
            "hardware.micro_batch_tokens", self.micro_batch_tokens, "at least 16",
        )  # fmt: skip
        for key in ("processes", "machines"):
            value = getattr(self, key)
            check(value >= 1, f"hardware.{key}", value, "at least 1")
        known = ("wandb", "mlflow", "tensorboard", "dvclive")
        check_words("hardware.report_to", self.report_to, known)


@dataclass
class DocumentsSettings:
    """How a user's own documents are read and cut."""

    unit: LengthUnit
    """Of chunk_size and overlap: characters, or tokens, which are words and punctuation marks
    here, so that another model cuts no other chunks."""
    chunk_size: int
    """Of one chunk at most, in units; it holds whole sentences. A longer sentence is in none."""
    overlap: int
    """At most so many units of a chunk are repeated by the next one, in whole sentences."""
    max_file_mb: float
    """Megabytes; a larger file is left out."""
    max_pages: int
    """A PDF with more pages is left out."""
    timeout_s: float
    """Seconds in which one file is read, or left out."""

    def __post_init__(self) -> None:
        """Check ranges."""
        at = "examples.documents"
        check(self.chunk_size >= 50, f"{at}.chunk_size", self.chunk_size, "at least 50")
        ok = 0 <= self.overlap <= self.chunk_size // 2
        check(ok, f"{at}.overlap", self.overlap, "from 0 to half of chunk_size")
        check(self.max_file_mb > 0, f"{at}.max_file_mb", self.max_file_mb, "above 0")
        check(self.max_pages >= 1, f"{at}.max_pages", self.max_pages, "at least 1")
        check(self.timeout_s > 0, f"{at}.timeout_s", self.timeout_s, "above 0")


@dataclass
class ExamplesSettings:
    """From papers to training rows."""

    seed: int
    """Of the split and of the choice of wordings; independent of the top-level seed."""
    sources: ExampleSources
    """papers; own: the files below data/own/<domain> alone, no papers needed; both."""
    mix: float | None
    """Share of a user's own rows among the training rows, in (0, 1); null: as they come."""
    min_words: int
    """Abstracts with fewer words are rejected."""
    languages: list[str]
    """PubMed language codes that are kept."""
    licences: list[str]
    """Only papers under one of these licences are kept; an empty list keeps all."""
    on_concern: OnConcern
    """A paper with an expression of concern: drop or keep."""
    recipes: list[str]
    """Which recipes run, in the order in which per_paper fills up."""
    per_paper: int
    """Examples per paper at most."""
    per_journal: int
    """Training examples per journal at most; 0: no limit."""
    per_year: int
    """Training examples per year of publication at most; 0: no limit."""
    recipe_share: float
    """Largest share of the training examples that one recipe may have; 1: no limit."""
    validation_share: float
    """Share of paper clusters whose examples measure the loss during training."""
    heldout_share: float
    """Share of paper clusters kept out of all examples, for bits per byte."""
    exchange_answers: bool
    """A placebo: training answers change places within each recipe (`titer study placebo`)."""
    on_leak: OnLeak
    """An example that the benchmark asks: drop and list it, or fail."""
    encoder: str | None
    """Rule E: a folder below data/own/encoder with a text encoder (config.json, tokenizer,
    safetensors); null leaves rule E out."""
    encoder_threshold: float
    """Rule E: cosine similarity to a benchmark question from which an example is a paraphrase."""
    on_long: OnLong
    """A row longer than model.max_length: drop and list it, or fail."""
    replay: float
    """Share of the training rows that is general text (data/pretraining), against forgetting."""
    max_examples: int
    """Examples of documents at most, training and validation together; papers do not count."""
    documents: DocumentsSettings

    def __post_init__(self) -> None:
        """Check ranges."""
        check_words("examples.recipes", self.recipes, RECIPES)
        check_words("examples.licences", self.licences, LICENCES)
        check(self.mix is None or 0 < self.mix < 1, "examples.mix", self.mix, "null or in (0, 1)")
        one = self.mix is not None and self.sources != ExampleSources.both
        allowed = f"null when examples.sources={self.sources}: set examples.mix=null"
        check(not one, "examples.mix", self.mix, allowed)
        for key in ("per_journal", "per_year"):
            check(getattr(self, key) >= 0, f"examples.{key}", getattr(self, key), "at least 0")
        check(0 < self.recipe_share <= 1, "examples.recipe_share", self.recipe_share, "in (0, 1]")
        at = "examples.encoder_threshold"
        check(0 < self.encoder_threshold <= 1, at, self.encoder_threshold, "in (0, 1]")
        check(self.per_paper >= 1, "examples.per_paper", self.per_paper, "at least 1")
        check(self.min_words >= 0, "examples.min_words", self.min_words, "at least 0")
        check(self.max_examples >= 0, "examples.max_examples", self.max_examples, "at least 0")
        for key in ("validation_share", "heldout_share"):
            share = getattr(self, key)
            check(0 < share < 0.5, f"examples.{key}", share, "between 0 and 0.5")
        check(0 <= self.replay < 1, "examples.replay", self.replay, "in [0, 1)")


@dataclass
class QloraSettings:
    """The QLoRA fine-tune."""

    source: AdapterSource
    """train: made here; path: trained elsewhere, checked against the base, then judged alike."""
    path: str | None
    """path: a PEFT adapter's folder below data/own/adapters."""
    learning_rate: float | None
    """Peak; null takes model.learning_rate.qlora."""
    epochs: float
    batch_size: int
    """Rows per optimiser step, the same on every machine."""
    warmup_share: float
    """Share of the steps."""
    weight_decay: float
    lora_r: int
    lora_alpha: int
    lora_dropout: float
    target_modules: str
    """all-linear, or names joined by a comma: q_proj,v_proj."""
    use_rslora: bool
    """Scale by alpha / sqrt(r), so that a large r still learns (Kalajdzievski 2023)."""
    use_dora: bool
    """Train the length of each weight column apart from its direction (Liu et al. 2024)."""
    neftune_alpha: float
    """Noise on the embeddings while training (Jain et al. 2023: 5 to 15); 0: none."""
    evals: int
    """Times that the validation loss is measured, evenly spread, the last one at the end."""
    patience: int
    """Measurements without a better validation loss before training stops; 0: it never does."""
    keep: Keep
    """last, or best: the weights with the lowest validation loss."""

    def __post_init__(self) -> None:
        """Check ranges and that the keys fit the source."""
        check_training("qlora", self)
        given = self.source == AdapterSource.train or self.path is not None
        check(given, "qlora.path", self.path, "given when qlora.source=path")
        noise = self.neftune_alpha
        check(0 <= noise < math.inf, "qlora.neftune_alpha", noise, "a number of at least 0")
        check(self.lora_r >= 1, "qlora.lora_r", self.lora_r, "at least 1")
        check(self.lora_alpha >= 1, "qlora.lora_alpha", self.lora_alpha, "at least 1")
        check(0 <= self.lora_dropout < 1, "qlora.lora_dropout", self.lora_dropout, "in [0, 1)")


@dataclass
class FullSettings:
    """The full fine-tune."""

    enabled: bool | None
    """null decides from the model's size and hardware.memory_gib."""
    learning_rate: float | None
    """Peak; null takes model.learning_rate.full."""
    epochs: float
    batch_size: int
    """Rows per optimiser step, the same on every machine."""
    warmup_share: float
    """Share of the steps."""
    weight_decay: float
    evals: int
    """Times that the validation loss is measured, evenly spread, the last one at the end."""
    patience: int
    """Measurements without a better validation loss before training stops; 0: it never does."""
    keep: Keep
    """last, or best: the weights with the lowest validation loss."""

    def __post_init__(self) -> None:
        """Check ranges."""
        check_training("full", self)


def check_training(section: str, settings: Any) -> None:
    """Range checks that both fine-tunes share."""
    rate = settings.learning_rate
    check(rate is None or 0 < rate < 1, f"{section}.learning_rate", rate, "between 0 and 1")
    epochs = settings.epochs
    check(0 < epochs < math.inf, f"{section}.epochs", epochs, "a number above 0")
    decay = settings.weight_decay
    check(0 <= decay < 1, f"{section}.weight_decay", decay, "in [0, 1)")
    check(settings.batch_size >= 1, f"{section}.batch_size", settings.batch_size, "at least 1")
    check(settings.evals >= 1, f"{section}.evals", settings.evals, "at least 1")
    check(settings.patience >= 0, f"{section}.patience", settings.patience, "at least 0")
    share = settings.warmup_share
    check(0 <= share < 1, f"{section}.warmup_share", share, "in [0, 1)")


@dataclass
class EvalSettings:
    """What the benchmark asks and how it is computed."""

    questions: str | None
    """Open questions of one's own (JSON or JSONL); null takes the domain's."""
    formats: list[str]
    """Closed formats: cloze always, reverse and letter on request."""
    max_candidates: int
    """Candidate answers per closed item, the gold one included."""
    batch_size: int
    """Answers generated at once; part of the measurement when sampling, so fixed and recorded."""
    score_batch_size: int
    """Continuations scored at once."""
    few_shot: int
    """Solved examples shown to the base before each closed question, as context beside the arms; 0:
    the base is not asked this way."""

    def __post_init__(self) -> None:
        """Check ranges."""
        check_words("eval.formats", self.formats, FORMATS)
        check("cloze" in self.formats, "eval.formats", self.formats, "a list with cloze in it")
        check(self.max_candidates >= 4, "eval.max_candidates", self.max_candidates, "at least 4")
        for key in ("batch_size", "score_batch_size"):
            value = getattr(self, key)
            check(value >= 1, f"eval.{key}", value, "at least 1")
        check(self.few_shot >= 0, "eval.few_shot", self.few_shot, "0 or more")


@dataclass
class PlanSettings:
    """What was promised before training: the endpoint and the bounds of the verdict."""

    primary: str
    """The one endpoint that decides: closed_acc, keypoint_recall or ref_bpb."""
    alpha: float
    """Two-sided level of the intervals and tests."""
    margin_points: float
    """Half width of the equivalence and retention band of shares, in percentage points."""
    margin_bpb: float
    """The same for bits per byte, as a share of the base's value."""
    family: list[str]
    """Comparisons that Holm's correction covers."""

    def __post_init__(self) -> None:
        """Check ranges."""
        check_words("plan.primary", [self.primary], tuple(ENDPOINT_VERSIONS))
        check(0 < self.alpha < 0.5, "plan.alpha", self.alpha, "between 0 and 0.5")
        for key in ("margin_points", "margin_bpb"):
            margin = getattr(self, key)
            check(0 < margin < math.inf, f"plan.{key}", margin, "a number above 0")
        check_words("plan.family", self.family, FINE_TUNES)


@dataclass
class JudgeSettings:
    """An optional second reader of open answers; no verdict looks at it."""

    enabled: bool
    """Asks the endpoint; its key comes from TITER_JUDGE_API_KEY."""
    base_url: str | None
    """OpenAI-compatible, up to and without /chat/completions."""
    model: str | None
    """As the endpoint names it; of another family than the candidates."""
    cache_dir: str
    """Replies by hash, below the project's root and outside every out."""
    timeout_s: float
    """Of one reply."""

    def __post_init__(self) -> None:
        """Check ranges and that an enabled judge can be found."""
        at = "score.judge"
        for key in ("base_url", "model"):
            value = getattr(self, key)
            check(not self.enabled or bool(value), f"{at}.{key}", value, "given when enabled")
        url = self.base_url or "http://"
        ok = url.startswith(("http://", "https://")) and "@" not in url
        host = url.rpartition("@")[2]  # what stands before it may be a password
        check(ok, f"{at}.base_url", host, "an http(s) address without user or password")
        check(self.timeout_s > 0, f"{at}.timeout_s", self.timeout_s, "above 0")


@dataclass
class Trials:
    """Jobs of sweeps that the present settings of a fine-tune were chosen among; 0: no sweep."""

    qlora: int
    full: int

    def __post_init__(self) -> None:
        """Check ranges."""
        for key in ("qlora", "full"):
            check(getattr(self, key) >= 0, f"score.trials.{key}", getattr(self, key), "at least 0")


@dataclass
class ScoreSettings:
    """How the scores are reported."""

    strict: bool
    """A failed gate ends the stage with an error after the report is written."""
    judge: JudgeSettings
    trials: Trials
    """Printed in the report, so that a reader knows how much was tried."""


@dataclass
class Config:
    """params.yaml with the chosen files of conf/: everything that can be set."""

    model: ModelSettings
    domain: DomainSettings
    papers: PapersSettings
    hardware: HardwareSettings
    seed: int
    """Of training and of sampled answers."""
    examples: ExamplesSettings
    qlora: QloraSettings
    full: FullSettings
    eval: EvalSettings
    plan: PlanSettings
    score: ScoreSettings

    def __post_init__(self) -> None:
        """Check ranges."""
        check_seed("seed", self.seed)


@dataclass(frozen=True)
class LoraSettings:
    """The adapter's shape."""

    r: int
    alpha: int
    dropout: float
    target_modules: str | list[str]
    use_rslora: bool = False
    """Scale by alpha / sqrt(r)."""
    use_dora: bool = False
    """Train lengths and directions apart."""


@dataclass(frozen=True)
class SftSettings:
    """One supervised fine-tune with every choice resolved (`qlora_run`, `full_run`)."""

    seed: int
    learning_rate: float
    epochs: float
    batch_size: int
    warmup_share: float
    weight_decay: float
    evals: int
    max_length: int
    think: Think
    on_long: OnLong
    device: Device
    weights: Dtype
    """Number format of the weights that are loaded: of the arithmetic where they are 4-bit."""
    precision: Dtype
    optimizer: str
    micro_batch_tokens: int
    checkpointing: bool
    packing: bool
    processes: int
    machines: int
    report_to: list[str]
    lora: LoraSettings | None
    """null trains all weights."""
    neftune_alpha: float = 0.0
    """Of the noise on the embeddings."""
    patience: int = 0
    """Evaluations without a better loss before training stops; 0: never."""
    keep: Keep = Keep.last
    replay: float = 0.0
    """Share of general text among the training rows."""
    quantize: bool = True
    """Whether the base under an adapter is in 4 bits; false, plain LoRA, is for comparisons."""

    @property
    def n_processes(self) -> int:
        """Of all machines together."""
        return self.processes * self.machines

    def __post_init__(self) -> None:
        """Check that processes can share a step: its rows are the same on every machine."""
        n = self.n_processes
        allowed = f"a multiple of hardware.processes x hardware.machines = {n}"
        check(self.batch_size % n == 0, "batch_size", self.batch_size, allowed)


def qlora_run(config: Any) -> SftSettings:
    """The QLoRA run.

    Args:
        config: a `Config`, or of it at least the keys that train_qlora declares.

    Raises:
        ConfigError: the processes cannot share a step.
    """
    section = config.qlora
    names = section.target_modules
    targets = names if names == "all-linear" else [name.strip() for name in names.split(",")]
    lora = LoraSettings(
        section.lora_r, section.lora_alpha, section.lora_dropout, targets,
        use_rslora=section.use_rslora, use_dora=section.use_dora,
    )  # fmt: skip
    rate = section.learning_rate or config.model.learning_rate.qlora
    run = _sft_run(config, section, rate=rate, lora=lora)
    return replace(run, neftune_alpha=section.neftune_alpha)


def full_run(config: Any) -> SftSettings:
    """The full fine-tune.

    Args:
        config: a `Config`, or of it at least the keys that train_full declares.

    Raises:
        ConfigError: the processes cannot share a step.
    """
    rate = config.full.learning_rate or config.model.learning_rate.full
    return _sft_run(config, config.full, rate=rate, lora=None)


def _sft_run(
    config: Any, section: QloraSettings | FullSettings, *, rate: float, lora: LoraSettings | None
) -> SftSettings:
    model, hardware = config.model, config.hardware
    optimizer = hardware.optimizer.full if lora is None else hardware.optimizer.qlora
    return SftSettings(
        seed=config.seed,
        learning_rate=rate,
        epochs=section.epochs,
        batch_size=section.batch_size,
        warmup_share=section.warmup_share,
        weight_decay=section.weight_decay,
        evals=section.evals,
        max_length=model.max_length,
        think=model.think,
        on_long=config.examples.on_long,
        replay=config.examples.replay,
        device=hardware.device,
        weights=model.dtype if lora is None else hardware.precision,
        precision=hardware.precision,
        optimizer=optimizer,
        micro_batch_tokens=hardware.micro_batch_tokens,
        checkpointing=hardware.checkpointing,
        packing=hardware.packing,
        processes=hardware.processes,
        machines=hardware.machines,
        report_to=list(hardware.report_to),
        lora=lora,
        patience=section.patience,
        keep=section.keep,
    )
