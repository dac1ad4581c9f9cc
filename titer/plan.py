"""What was promised before training, as one hash: the plan, the questions, the endpoint's version.

Training and benchmark stages record it; score compares what they recorded with what it is given.
Invariant: on the floor, so that no stage depends on it as code: a change of plan reruns nothing.
"""

from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

from titer import files
from titer.config import ENDPOINT_VERSIONS, PlanSettings
from titer.errors import ConfigError, FormatError

FOLDER = "data/benchmark/${domain}"
QUESTION_FILES = {
    "facts": f"{FOLDER}/facts.csv",
    "templates": f"{FOLDER}/templates.yaml",
    "open": f"{FOLDER}/open.jsonl",
    "safety": f"{FOLDER}/safety.jsonl",
    "general": "data/benchmark/general/general.jsonl",
    "texts": "data/benchmark/general/ood_texts.jsonl",
    "questions": "data/own/${domain}/questions",
}
"""What is asked, file by file, as a stage declares it: an edited card reruns no benchmark."""

QUESTION_SUFFIXES = frozenset({".json", ".jsonl"})
"""Of questions of one's own: what is asked must be what is guarded against leaks."""


def sha256(plan: PlanSettings, at: SimpleNamespace, chosen: str | None, *, root: Path) -> str:
    """Identity of the plan, of the files that are asked and of the definition of the endpoint.

    Comments and the order of keys in params.yaml do not move it; any byte of a question file does.

    Args:
        at: paths by the names of QUESTION_FILES.
        chosen: eval.questions.
        root: that `chosen` is relative to.

    Raises:
        ConfigError: eval.questions names a file outside data/own.
    """
    return with_questions(plan, questions_sha256(at, chosen, root=root))


def with_questions(plan: PlanSettings, questions_sha256: str) -> str:
    """`sha256`, from the hash of the files that are asked."""
    content = [asdict(plan), ENDPOINT_VERSIONS[plan.primary], questions_sha256]
    return files.sha256_text(files.dump_json(content))


def questions_sha256(at: SimpleNamespace, chosen: str | None, *, root: Path) -> str:
    """Of the files that a model is asked from; those that eval.questions leaves out do not count.

    Raises:
        ConfigError: eval.questions names a file outside data/own.
        FormatError: a file is missing.
    """
    open_file = questions_file(at.open, at.questions, chosen, root=root)
    asked = [at.facts, at.templates, open_file, at.safety, at.general, at.texts]
    for path in asked:
        if not path.is_file():
            raise FormatError(f"{path}: no such file")
    return files.sha256_text("".join(files.sha256_file(path) for path in asked))


def questions_file(domain: Path, own: Path, chosen: str | None, *, root: Path) -> Path:
    """The file of open questions: the domain's, or the user's own.

    Args:
        domain: the domain's open.jsonl.
        own: data/own/<domain>/questions, which DVC watches.
        chosen: eval.questions.
        root: that `chosen` is relative to.

    Raises:
        ConfigError: the file lies where DVC would not see it change, or has another suffix.
    """
    if chosen is None:
        return domain
    path = (root / chosen).resolve()
    if not path.is_relative_to(own.resolve()):
        where = own.relative_to(root) if own.is_relative_to(root) else own
        raise ConfigError(f"eval.questions = {chosen!r}: must lie below {where}, which DVC watches")
    if path.suffix not in QUESTION_SUFFIXES:
        raise ConfigError(f"eval.questions = {chosen!r}: must be .json or .jsonl")
    return path
