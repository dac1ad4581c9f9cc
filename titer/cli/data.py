"""`titer data convert|inspect|validate|review|reviewed|learning-curve`: a user's own rows."""

import argparse
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

FORMAT_NAMES = (
    "instruction", "alpaca", "sharegpt", "chat", "context", "qa", "satisfaction", "text_records",
    "text",
)  # fmt: skip
"""As in titer/examples/formats, which --help does not load."""
SHOWN_COLUMNS = 12
SHOWN_FAULTS = 20


def add(commands: Any) -> None:
    """Add the commands."""
    parser = commands.add_parser(
        "data",
        help="convert, inspect and check your own training rows, or draw their learning curve",
        description="Your own training rows, in nine formats and five kinds of files. Example: "
        "titer data validate data/own/autoimmune/training/rows.jsonl",
    )
    verbs = parser.add_subparsers(dest="verb", metavar="verb", required=True)
    text = "write the rows of a file in another format or kind of file"
    verb = _verb(verbs, "convert", text, convert)
    verb.add_argument("out", type=Path, help="ends in .jsonl, .json, .csv, .parquet or .txt")
    verb.add_argument("--to", choices=FORMAT_NAMES, help="format to write; default: as read")
    text = "count rows and tokens, name languages, show a row as the model sees it"
    verb = _verb(verbs, "inspect", text, inspect)
    verb.add_argument("--tokenizer", type=Path, help="model folder; default: models/base")
    text = "name every row that cannot be used, and count what is doubtful about the others"
    verb = _verb(verbs, "validate", text, validate)
    verb.add_argument("--domain", help="default: the domain chosen in params.yaml")
    text = "draw rows into a sheet for a reader to answer yes or no: accurate, complete, safe"
    verb = _verb(verbs, "review", text, review)
    verb.add_argument("out", type=Path, help="a new file that ends in .csv")
    verb.add_argument("--n", type=int, default=50, help="rows to draw (50)")
    verb.add_argument("--seed", type=int, default=1, help="of the draw (1)")
    text = "count a reader's sheet: shares of the whole file with their intervals"
    verb = verbs.add_parser("reviewed", help=text, description=f"{text}.")
    verb.add_argument("sheet", type=Path, help="as written by `titer data review`, filled in")
    verb.set_defaults(run=reviewed)
    text = "train on 10, 30 and 100 %% of the examples: would more of them help?"
    verb = verbs.add_parser("learning-curve", help=text, description=text.replace("%%", "%"))
    verb.add_argument("--shares", default="0.1,0.3,1", help="joined by commas (0.1,0.3,1)")
    verb.add_argument("--epochs", type=float, help="over all examples; default: qlora.epochs")
    verb.add_argument("--seeds", type=int, default=3, metavar="N", help="trainings per share (3)")
    verb.set_defaults(run=learning_curve)


def _verb(verbs: Any, name: str, text: str, function: Any) -> Any:
    verb = verbs.add_parser(name, help=text, description=f"{text}.")
    verb.add_argument(
        "path", type=Path, help="a file of rows, a dataset_info.json or an Axolotl configuration"
    )
    verb.add_argument("--format", choices=FORMAT_NAMES, help="where two formats fit")
    verb.add_argument("--dataset", help="which one of a dataset_info.json or configuration")
    verb.add_argument(
        "--column", action="append", default=[], metavar="OURS=THEIRS",
        help="read a key from another column, such as source=url",
    )  # fmt: skip
    verb.set_defaults(run=function)
    return verb


def convert(arguments: argparse.Namespace) -> None:
    """Write what can be written and say what cannot.

    Raises:
        TiterError: the file has no known form, or the place is taken or cannot be written.
        DataError: no row was left to write; nothing is written.
    """
    from titer.errors import ConfigError, DataError
    from titer.examples.formats import FORMATS
    from titer.examples.formats.writing import kind_for, write

    reading = _reading(arguments)
    form = FORMATS[arguments.to] if arguments.to else reading.form
    kind_for(arguments.out, form)
    if arguments.out.exists() and arguments.out.samefile(reading.path):
        raise ConfigError(f"{arguments.out}: read and written at once. Give another name")
    if arguments.out.exists():
        raise ConfigError(
            f"{arguments.out}: is there already. Give another name, or remove the file, so that no "
            "row is lost"
        )
    done = write(arguments.out, form, _shown(reading))
    if done.n:
        print(f"{arguments.out}: {done.n:,} rows of {form.name}, from {reading.form.name}")
    _print_left_out(reading)
    for reason, n in done.refused.most_common():
        print(f"not written, {form.name} cannot hold it: {reason} ({n:,} rows)")
    for name, n in done.lost.most_common():
        print(f"not held by {form.name}: {name} ({n:,} rows)")
    if not done.n:
        raise DataError(f"{reading.path}: no row was left to write")


def validate(arguments: argparse.Namespace) -> None:
    """Print faults and doubts.

    Raises:
        DataError: there are rows that cannot be used.
    """
    from titer import runner
    from titer.cli.domain import chosen
    from titer.cli.places import benchmark_places
    from titer.errors import DataError
    from titer.evaluation import benchmark
    from titer.examples import quality

    domain = chosen(arguments.domain)
    at = benchmark_places(domain, runner.ROOT)
    asked = benchmark.texts_to_guard(at) if at.open.is_file() else []
    reading = _reading(arguments, as_trained=True)
    found = quality.check(
        ((reading.place, example) for example in _shown(reading)),
        domain=domain,
        words_of=runner.lexicons(runner.ROOT / "conf" / "domain"),
        benchmark=asked,
    )
    print(f"{reading.path}: {reading.n_rows:,} rows of {reading.form.name} ({reading.kind})")
    _print_left_out(reading)
    if not asked:
        print(f"not compared with a benchmark: domain {domain} has none")
    for sentence in found.sentences():
        print(sentence)
        for place in found.shown.get(sentence.partition(":")[0], []):
            print(f"  {place}")
    if reading.n_faults:
        raise DataError(
            f"{reading.path}: {reading.n_faults:,} rows cannot be used, {reading.n_rows:,} can. "
            "Mend them, or take the others out with: titer data convert"
        )


def review(arguments: argparse.Namespace) -> None:
    """Write a sheet of drawn rows.

    Raises:
        TiterError: the file has no known form, or the sheet is there already.
        DataError: no row can be used; no sheet is written.
    """
    from titer.errors import DataError
    from titer.examples import review_sheet

    reading = _reading(arguments, as_trained=True)
    rows = ((reading.place, example) for example in _shown(reading))
    n = review_sheet.write(arguments.out, rows, n=arguments.n, seed=arguments.seed)
    if not n:
        _print_left_out(reading)
        raise DataError(f"{reading.path}: no row can be used, so there is no sheet to fill in")
    print(f"{arguments.out}: {n:,} of {reading.n_rows:,} rows. Write yes or no under:")
    for name, what in review_sheet.ASPECTS.items():
        print(f"  {name}: {what}")
    _print_left_out(reading)
    print(f"then: titer data reviewed {arguments.out}")


def reviewed(arguments: argparse.Namespace) -> None:
    """Print what a reader's sheet says of the whole file.

    Raises:
        FormatError: no sheet, or another word than yes or no.
        DataError: nothing is filled in.
    """
    from titer.errors import DataError
    from titer.evaluation.statistics import wilson_interval
    from titer.examples import review_sheet

    found = review_sheet.read(arguments.sheet)
    if not any(one.n for one in found.values()):
        raise DataError(
            f"{arguments.sheet}: no row is answered. Write yes or no under "
            f"{', '.join(review_sheet.ASPECTS)}"
        )
    for name, one in found.items():
        if not one.n:
            print(f"{name}: not answered")
            continue
        share = wilson_interval(one.yes, one.n)
        print(
            f"{name}: {one.yes} of {one.n} rows ({share.estimate:.0%}, "
            f"95 % interval {share.low:.0%} to {share.high:.0%})"
        )


def inspect(arguments: argparse.Namespace) -> None:
    """Print counts, lengths, languages and one rendered row.

    Raises:
        TiterError: the file has no known form, or there is no tokenizer.
    """
    from titer import runner
    from titer.cli import inspected

    _, config = runner.chosen()
    reading = _reading(arguments, as_trained=True)
    folder = arguments.tokenizer or runner.ROOT / "models" / "base"
    found = inspected.look(_shown(reading), folder, config.model)
    print(f"{reading.path}: {reading.n_rows:,} rows of {reading.form.name} ({reading.kind})")
    _print_left_out(reading)
    for line in found.lines():
        print(line)


def learning_curve(arguments: argparse.Namespace) -> None:
    """Train on shares of data/papers/examples and print the held-out losses.

    Raises:
        ConfigError: shares or seeds that are none.
        DataError: no examples yet, or too few.
    """
    from titer import runner
    from titer.cli import curve

    _, config = runner.chosen()
    shares = curve.shares_of(arguments.shares)
    curve.draw(config, shares, arguments.epochs, runner.ROOT, n_seeds=arguments.seeds)


def _reading(arguments: argparse.Namespace, *, as_trained: bool = False) -> Any:
    """The pass over the file that the arguments ask for.

    Args:
        as_trained: rows of several forms in one file are read, as training reads them.
    """
    from titer.examples.formats import FORMATS, interop
    from titer.examples.formats.reading import Reading

    path: Path = arguments.path
    if path.name == interop.DATASET_INFO or path.suffix in interop.AXOLOTL_SUFFIXES:
        return interop.reading(interop.find(path, arguments.dataset))
    form = FORMATS[arguments.format] if arguments.format else None
    columns = _columns(arguments.column)
    adapt = _Renaming(columns) if columns else None
    return Reading(path, form, adapt=adapt, is_mixed=as_trained and form is None)


def _columns(given: Iterable[str]) -> dict[str, str]:
    from titer.errors import ConfigError

    pairs = [text.partition("=") for text in given]
    for ours, sign, theirs in pairs:
        if not (ours and sign and theirs):
            raise ConfigError(f"--column {ours}{sign}{theirs}: write it as source=url")
    return {ours: theirs for ours, _, theirs in pairs}


class _Renaming:
    """Gives a row our keys for the columns that --column names."""

    def __init__(self, columns: Mapping[str, str]) -> None:
        self._columns = columns
        self._unseen = dict(columns)
        self._names: dict[str, None] = {}
        """The first columns of the rows, for the message."""

    def __call__(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The row; what stood under our key gets a name that is told as ignored."""
        if self._unseen:
            self._unseen = {o: name for o, name in self._unseen.items() if name not in row}
            self._names |= dict.fromkeys(list(row)[: SHOWN_COLUMNS - len(self._names)])
        taken = set(self._columns.values())
        found = {key: value for key, value in row.items() if key not in taken}
        for ours, name in self._columns.items():
            if name not in row:
                continue
            if ours in found:
                found[f"{ours}, for which --column names {name}"] = found[ours]
            found[ours] = row[name]
        return found

    def check(self) -> None:
        """Refuse a column that no row has, once all rows were read.

        Raises:
            ConfigError: there is one.
        """
        from titer.errors import ConfigError

        if not self._names:
            return  # no row could be read, which is told as such
        for ours, name in self._unseen.items():
            raise ConfigError(
                f"--column {ours}={name}: no row has a column {name!r}; columns: "
                f"{', '.join(self._names)}"
            )


def _shown(reading: Any) -> Iterator[Any]:
    """The examples, with a bar where it takes longer than five seconds.

    Raises:
        ConfigError: at the end, before anything is written: --column names what no row has.
    """
    from tqdm.auto import tqdm

    yield from tqdm(reading, desc=reading.path.name, unit="row", delay=5)
    if isinstance(reading.adapt, _Renaming):
        reading.adapt.check()


def _print_left_out(reading: Any) -> None:
    for fault in reading.faults[:SHOWN_FAULTS]:
        print(f"cannot be used: {fault}")
    if reading.n_faults > SHOWN_FAULTS:
        print(f"cannot be used: {reading.n_faults - SHOWN_FAULTS:,} more rows")
    if reading.n_unanswered:
        print(f"left out: {reading.n_unanswered:,} texts without a question and its answer")
    for key, n in sorted(reading.ignored.items(), key=lambda item: (-item[1], item[0])):
        print(f"ignored: {key} ({n:,} times)")
