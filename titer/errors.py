"""Every error that a user can cause or meet, each one line of text and one exit code.

TiterError
├── ConfigError                       exit 2      a setting is wrong
├── DataError                         exit 1      FormatError (path:line), LeakError, GateFailed
├── SourceError                       exit 3      RateLimited, Unavailable: run it again
├── ModelError                        exit 4      LoadError, OutOfMemory, TooLittleDisk
├── AdapterError                      exit 1      NotFound, BaseMismatch
└── Stopped                           exit 143    SIGTERM or Ctrl-C: saved, run it again

Libraries raise these; the runner and the command `titer` print them. Anything else is a bug and
keeps its traceback.
"""

import difflib
from collections.abc import Iterable


class TiterError(Exception):
    """Base of all errors that are shown as one line."""

    exit_code = 1

    def __str__(self) -> str:
        """The text on one line: what a hostile file put into it can steer no terminal."""
        text = " ".join(super().__str__().splitlines())
        return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


class ConfigError(TiterError):
    """A setting is wrong: the text names the file, the key, the value and what is allowed."""

    exit_code = 2


class DataError(TiterError):
    """Data cannot be used as they are."""


class FormatError(DataError):
    """A record does not have the expected form; the text begins with path:line."""


class LeakError(DataError):
    """Training data hold what the benchmark asks."""


class GateFailed(DataError):
    """score.strict found a failed gate; the report that shows which is written and stays."""


class SourceError(TiterError):
    """An outside service failed; what was fetched is kept and the same command continues."""

    exit_code = 3


class RateLimited(SourceError):
    """A service kept answering that too much was asked."""


class Unavailable(SourceError):
    """A service could not be reached or kept failing."""


class ModelError(TiterError):
    """A model cannot be downloaded, built or held in memory."""

    exit_code = 4


class LoadError(ModelError):
    """Weights, tokenizer or configuration cannot be loaded."""


class OutOfMemory(ModelError):
    """The work does not fit into the memory that is there."""


class TooLittleDisk(ModelError):
    """The disk has less room than the work needs."""


class AdapterError(TiterError):
    """An adapter cannot be used."""


class NotFound(AdapterError):
    """There is no adapter where one was expected."""


class BaseMismatch(AdapterError):
    """The adapter belongs to another base model, tokenizer or template."""


class Stopped(TiterError):
    """Training was told to stop and saved where it was; the same command goes on from there."""

    exit_code = 143


def first_line(error: BaseException) -> str:
    """What an error of a library says, its first line alone; its class where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """Hint with the nearest valid word, ` (did you mean pocket?)`, or nothing."""
    near = difflib.get_close_matches(str(word), list(known), 1)
    return f" (did you mean {near[0]}?)" if near else ""
