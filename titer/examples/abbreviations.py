"""Which abbreviations a paper introduces and what they stand for.

Form of Schwartz and Hearst (2003): the short form stands in brackets after the long one. Here the
long form is the shortest run of words before the bracket that begins with the first letter and
holds all letters in order.
"""

import re

from titer.records import Paper

MAX_LONG_WORDS = 8

_BRACKET = re.compile(r"\(([A-Za-z][\w-]{1,9}?)s?(?:[,;][^()]*)?\)")


def introduced(paper: Paper) -> dict[str, str]:
    """Short form to long form, of title and abstract, in the order of the text."""
    found: dict[str, str] = {}
    for text in (paper.title, *(section["text"] for section in paper.sections)):
        for match in _BRACKET.finditer(text):
            short = match[1]
            if sum(letter.isupper() for letter in short) < 2 or short in found:
                continue
            long = _long_form(short, text[: match.start()])
            if long:
                found[short] = long
    return found


def unexplained(paper: Paper, prompt: str, answer: str) -> dict[str, str]:
    """What an answer uses that neither it nor the prompt explains: short form to long form."""
    return {
        short: long
        for short, long in introduced(paper).items()
        if _stands_in(short, answer)
        and f"({short}" not in answer
        and not _stands_in(short, prompt)
        and long.lower() not in prompt.lower()
    }


def _stands_in(short: str, text: str) -> bool:
    # most abbreviations do not, and a search for a plain string is far quicker
    return short in text and bool(re.search(rf"(?<!\w){re.escape(short)}s?(?!\w)", text))


def _long_form(short: str, before: str) -> str | None:
    words = re.split(r"[.;:()]\s", before)[-1].split()[-MAX_LONG_WORDS:]
    for n in range(1, len(words) + 1):
        long = " ".join(words[-n:]).strip("([\"'")
        if long[:1].lower() == short[0].lower() and len(long) > len(short) + 2:
            letters = iter(long.lower())
            # `in` on an iterator goes on where the last letter was found
            if all(letter in letters for letter in short.lower() if letter.isalnum()):
                return long
    return None
