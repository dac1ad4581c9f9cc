"""The command `titer` in the test's own process, which spares a second of Python and imports."""

import contextlib
import io
import os
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from titer import runner
from titer.cli.main import main


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


def titer(root: Path, *arguments: str, **environment: str) -> Done:
    """The command in a copy of the project, by the code of the tree under test."""
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(root),
        mock.patch.dict(os.environ, environment),
        mock.patch.object(runner, "ROOT", root),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            code = main(arguments)
        except SystemExit as ended:  # argparse's, of a wrong or missing argument
            code = int(ended.code or 0)
    return Done(code, out.getvalue(), err.getvalue())
