"""Thoughts taken out of an answer while it is made, and the answer ended at its stops.

Invariant: what was given, joined, is the answer that `titer.modeling.chat_template.split_thought`
finds in the whole text, up to the first stop; where that becomes impossible, the answer is void.
"""

from collections.abc import Sequence

from titer.modeling.chat_template import THINK_CLOSE, THINK_OPEN, split_thought


class AnswerText:
    """One answer, piece by piece."""

    def __init__(self, *, may_open: bool, stops: Sequence[str] = ()) -> None:
        """Begin an answer.

        Args:
            may_open: the prompt may end inside a thought: nothing is given before its end.
            stops: texts at which the answer ends, themselves left out.
        """
        self._may_open = may_open
        self._stops = tuple(stops)
        self._marks = (THINK_OPEN, THINK_CLOSE, *self._stops)
        self._whole = ""
        self._given = ""
        self._ended: str | None = None
        """The answer before its stop, once one was met; what was given may be a thought."""
        self.is_void = False
        """Text was given that proved to be a thought."""

    @property
    def is_stopped(self) -> bool:
        """A stop was met; what the model would say further is of no account."""
        return self._ended is not None

    def feed(self, text: str) -> str:
        """Take text of the model; give what is answer for certain, maybe nothing."""
        self._whole += text
        sure = self._sure()
        if sure is None:
            return ""
        cut = self._cut(sure)
        return self._give(cut if self.is_stopped else self._held_back(cut))

    def end(self, *, opened: bool) -> str:
        """Give the rest; `opened` says whether the prompt did end inside a thought."""
        return self._give(self.answer(opened=opened))

    def answer(self, *, opened: bool) -> str:
        """The whole answer, also where one that is void was given."""
        return self._cut(split_thought(self._whole, opened_in_prompt=opened).answer)

    def state(self, *, opened: bool) -> str:
        """Of the thought: none, closed or unclosed."""
        return split_thought(self._whole, opened_in_prompt=opened).state

    def _sure(self) -> str | None:
        """Text outside thoughts so far; null inside of one."""
        _, closed, tail = self._whole.rpartition(THINK_CLOSE)
        if THINK_OPEN in tail or (self._may_open and not closed):
            return None
        return tail.lstrip()

    def _cut(self, text: str) -> str:
        """Up to the first stop, which ends the answer for good."""
        places = [at for stop in self._stops if (at := text.find(stop)) >= 0]
        if self._ended is None and places:
            self._ended = text[: min(places)].rstrip()
        return text if self._ended is None else self._ended

    def _held_back(self, text: str) -> str:
        """Without an end that may become a mark, and without white space that may end it all."""
        longest = max(map(len, self._marks)) - 1
        for size in range(min(longest, len(text)), 0, -1):
            if any(mark.startswith(text[-size:]) for mark in self._marks):
                text = text[:-size]
                break
        return text.rstrip()

    def _give(self, text: str) -> str:
        if not text.startswith(self._given):
            self.is_void = True
            return ""
        new = text[len(self._given) :]
        self._given = text
        return new
