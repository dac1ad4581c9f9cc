"""What the chosen settings need on disk, checked before DVC deletes any out."""

import os
from collections.abc import Mapping
from pathlib import Path

from titer import files
from titer.cli.places import short
from titer.config import Config, ExampleSources, ModelSource, PapersSettings, PapersSource
from titer.errors import ConfigError, DataError


def check_inputs(config: Config, choices: Mapping[str, str], root: Path) -> None:
    """Refuse settings whose inputs are missing.

    Raises:
        TiterError: one line that names the setting and what to do.
    """
    from titer.evaluation.questions import check_lock, load_questions

    if config.model.source == ModelSource.path:
        from titer.modeling.download import own_path as own_model
        from titer.modeling.loading import check_model_folder

        own = own_model(config.model.path, root=root, own=root / "data" / "own" / "model")
        check_model_folder(own or root)
    if config.examples.sources == ExampleSources.own:
        _check_own(choices["domain"], root)
    else:
        _check_papers(config, choices["domain"], root)
    if config.examples.sources != ExampleSources.papers:
        from titer.examples import own as own_rows

        own_rows.read(root / "data" / "own" / choices["domain"] / "training")
    _check_encoder(config, root)
    domain = root / "data" / "benchmark" / choices["domain"]
    check_lock(domain, root / "data" / "benchmark" / "general")
    reviews = root / "data" / "own" / choices["domain"] / "reviews.csv"
    if reviews.is_file():  # score reads it last of all; without it dvc says what is missing
        from titer.evaluation.reviews import load

        load(reviews)
    if config.eval.questions is not None:
        from titer.plan import questions_file

        own = root / "data" / "own" / choices["domain"] / "questions"
        path = questions_file(domain / "open.jsonl", own, config.eval.questions, root=root)
        if not path.is_file():
            raise ConfigError(f"eval.questions = {config.eval.questions!r}: no such file")
        load_questions(path)


def _check_own(domain: str, root: Path) -> None:
    """Something to make examples from, where no papers are wanted."""
    own = root / "data" / "own" / domain
    places = [own / name for name in ("training", "documents")]
    given = (
        path
        for place in places
        for path in place.rglob("*")
        if path.is_file() and path.suffix != ".dvc" and not files.is_hidden(path, place)
    )
    if next(given, None) is None:
        raise DataError(
            f"examples.sources = 'own': no files of your own. Put them into "
            f"{places[0].relative_to(root)}, or set examples.sources=papers"
        )


def _check_papers(config: Config, domain: str, root: Path) -> None:
    from titer.literature.files import SUFFIXES, own_path

    source = config.papers.source
    if source != PapersSource.sample:
        _check_services(config.papers, root)
    if source == PapersSource.live and not config.papers.offline:
        return
    if source == PapersSource.sample:
        place, key = root / "data" / "samples" / domain, f"domain = {domain!r}"
    else:
        own = root / "data" / "own" / domain / "papers"
        place = own_path(config.papers.path, root=root, own=own) or own.resolve()
        key = f"papers.path = {config.papers.path!r}" if config.papers.path else "papers = 'files'"
    named = any(path.name.lower().endswith(SUFFIXES) for path in place.rglob("*"))
    if not (place.is_file() or named):
        where = short(place)
        raise DataError(
            f"{key}: no papers there. Put PubMed XML (.xml, .xml.gz) or arXiv Atom (.atom) into "
            f"{where}"
        )


def _check_encoder(config: Config, root: Path) -> None:
    from titer.literature.files import own_path

    own = root / "data" / "own" / "encoder"
    path = own_path(config.examples.encoder, root=root, own=own, key="examples.encoder")
    if path is not None:
        from titer.modeling.embedding import check_encoder_folder

        check_encoder_folder(path)


def _check_services(papers: PapersSettings, root: Path) -> None:
    """What it takes to ask NCBI, and the table of retractions."""
    from titer.literature.credentials import Credentials
    from titer.literature.enrich import check_table
    from titer.literature.retractions import table_path

    asks_pubmed = papers.source == PapersSource.live and papers.pubmed.enabled
    if (asks_pubmed or papers.pmc.enabled) and not papers.offline:
        Credentials.from_environment(os.environ, root / ".env").require_email()
    own = root / "data" / "own" / "retractions"
    check_table(papers, table_path(papers.retraction_watch.source, root=root, own=own))
