"""The process that reads documents: a JSON line with a path comes in, one with the text goes out.

Invariant: one answer per request, whatever the file holds, as long as the process lives; the memory
it may take is limited, and what a library prints does not reach the answers.
    python -m titer.examples.documents.reader 2048
"""

import json
import os
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from titer.examples.documents import pdf_pages, plain_text, web_pages, word_files
from titer.examples.documents.extracted import Extracted, Unreadable

READERS: dict[str, Callable[..., Extracted]] = {
    ".pdf": pdf_pages.read,
    ".docx": word_files.read,
    ".html": web_pages.read,
    ".htm": web_pages.read,
    ".md": plain_text.read_markdown,
    ".markdown": plain_text.read_markdown,
    ".txt": plain_text.read,
}
"""Suffix of a file name, in lower case, and what reads such files."""

OUT_OF_MEMORY = "over the memory limit"
MAX_DETAIL_CHARS = 200


def answer(path: Path, *, max_pages: int) -> dict[str, Any]:
    """The text of a file as `Extracted.to_json`, or `{reason, detail}`."""
    try:
        return READERS[path.suffix.lower()](path, max_pages=max_pages).to_json()
    except Unreadable as fault:
        return {"reason": fault.reason, "detail": fault.detail}
    except MemoryError:
        return {"reason": OUT_OF_MEMORY, "detail": "reading it took too much"}
    except zipfile.BadZipFile as error:
        return {"reason": "unreadable", "detail": f"damaged archive: {error}"[:MAX_DETAIL_CHARS]}
    # a damaged file makes these libraries raise anything at all, RecursionError included
    except Exception as error:
        said = " ".join(f"{type(error).__name__}: {error}".split())
        return {"reason": "unreadable", "detail": said[:MAX_DETAIL_CHARS]}


def main() -> None:
    """Answer requests `{path, max_pages}` until the input ends."""
    import resource

    limit = int(sys.argv[1]) * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    for line in sys.stdin:
        request = json.loads(line)
        found = answer(Path(request["path"]), max_pages=request["max_pages"])
        print(json.dumps(found), file=answers, flush=True)


if __name__ == "__main__":
    main()
