"""Subscripts and superscripts in plain text, where they are part of a word.

titer/literature/markup.py writes HbA_1c and 10^(9 cells), TeX writes CO$_2$.
"""

import re

_SCRIPT = re.compile(r"(?<=\w)\$?[_^](?:\(([^()]*)\)|\{([^{}]*)\})?")


def joined(text: str) -> str:
    """The text with scripts on the line: HbA1c, 109 cells, CO2$."""
    return _SCRIPT.sub(r"\1\2", text) if "_" in text or "^" in text else text
