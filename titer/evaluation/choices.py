"""Which four choices each closed item has, once it is known what the training papers state.

Invariant: distractors are of the right answer's own class: an answer is seen if a training paper
states it for any disease in the same relation. Otherwise answers that training made popular would
crowd out the others and look like knowledge, or like its loss.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from titer import files
from titer.errors import DataError
from titer.evaluation.arms import Arm, Scored
from titer.evaluation.items import options, word_key
from titer.records import Fact

N_DISTRACTORS = 3
SEEN, UNSEEN = "seen", "unseen"


@dataclass(frozen=True)
class Choice:
    """One item with its final choices."""

    key: str
    """`item_key` of its rows."""
    fact: Fact
    part: str
    """dev or test."""
    texts: tuple[str, ...]
    columns: tuple[int, ...]
    """Index of each choice among the candidates of the rows."""
    gold: int
    """Index into texts."""
    seen_docs: int
    """Training papers that state the fact itself."""

    @property
    def group(self) -> str:
        """Whether the training papers state the fact: seen or unseen."""
        return SEEN if self.seen_docs else UNSEEN


def choose(
    items: Mapping[str, Scored], facts: Sequence[Fact], seen_docs: Mapping[str, int]
) -> tuple[list[Choice], list[str]]:
    """Final choices of all items of one direction and format, and the keys of those left out.

    Args:
        items: of the base model; every arm has the same candidates, or fails a gate.
        facts: all facts of the domain.
        seen_docs: by fact_id, see `seen.seen_documents`.

    Returns:
        Choices in the order of their keys; keys with fewer than three distractors of the class.

    Raises:
        DataError: the results name a fact or an answer that the fact table lacks.
    """
    by_id = {fact.fact_id: fact for fact in facts}
    directions = {item.row.get("direction") or "forward" for item in items.values()}
    classes = {name: _classes(facts, name, seen_docs) for name in directions}
    chosen, too_few = [], []
    for key, item in sorted(items.items()):
        fact = by_id.get(item.row["fact_id"])
        if fact is None:
            raise DataError(
                f"results hold {item.row['fact_id']}, which the fact table lacks: it changed after "
                "the benchmark ran. Run: dvc repro"
            )
        columns = _columns(item, fact, classes[item.row.get("direction") or "forward"])
        if columns is None:
            too_few.append(key)
        else:
            chosen.append(_choice(key, item, fact, columns, seen_docs[fact.fact_id]))
    return chosen, too_few


def _classes(
    facts: Sequence[Fact], direction: str, seen_docs: Mapping[str, int]
) -> dict[tuple[str, str], bool]:
    """Whether an answer of a relation is seen, by relation and `word_key`."""
    found = options(facts, direction, lambda fact_id: seen_docs[fact_id] > 0)
    return {
        (relation, word_key(option.text)): option.stated
        for relation, group in found.items()
        for option in group
    }


def _columns(item: Scored, fact: Fact, classes: Mapping[tuple[str, str], bool]) -> list[int] | None:
    """Candidates that become choices; all of them where the choices stood in the question."""
    if item.row.get("format") == "letter":
        return list(range(len(item.candidates)))
    gold = item.candidates[item.gold]
    position = {text: index for index, text in enumerate(item.candidates)}
    group = {text: _class_of(text, fact, classes) for text in item.candidates}
    matched = [text for text in item.candidates if text != gold and group[text] == group[gold]]
    if len(matched) < N_DISTRACTORS:
        return None
    # the candidates were drawn in proportion to their facts; which three of them is plain chance
    best = sorted(matched, key=lambda text: files.sha256_text(f"{fact.fact_id}|of {text}"))
    shown = sorted(
        [gold, *best[:N_DISTRACTORS]], key=lambda text: files.sha256_text(f"{fact.fact_id}|{text}")
    )
    return [position[text] for text in shown]


def _class_of(text: str, fact: Fact, classes: Mapping[tuple[str, str], bool]) -> bool:
    key = (fact.relation, word_key(text))
    if key not in classes:
        raise DataError(
            f"{fact.fact_id}: candidate {text!r} is no answer of the fact table: it changed after "
            "the benchmark ran. Run: dvc repro"
        )
    return classes[key]


def _choice(key: str, item: Scored, fact: Fact, columns: list[int], seen_docs: int) -> Choice:
    return Choice(
        key=key,
        fact=fact,
        part=item.row.get("part") or "test",
        texts=tuple(item.candidates[column] for column in columns),
        columns=tuple(columns),
        gold=columns.index(item.gold),
        seen_docs=seen_docs,
    )


def shared(choices: Sequence[Choice], arm: Arm) -> list[Choice]:
    """Those that the arm scored with the same candidates."""
    return [
        choice
        for choice in choices
        if (item := arm.items.get(choice.key)) is not None
        and max(choice.columns) < len(item.candidates)
        and tuple(item.candidates[column] for column in choice.columns) == choice.texts
    ]


def scores(choices: Sequence[Choice], arm: Arm) -> list[list[float]]:
    """Log-likelihoods of the choices, one row per item."""
    return [[arm.items[c.key].ll[column] for column in c.columns] for c in choices]


def scores_by_wording(choices: Sequence[Choice], arm: Arm) -> list[list[list[float]]]:
    """The same for each wording alone; items with fewer wordings than the most are left out."""
    items = [(choice.columns, arm.items[choice.key].ll_by_wording) for choice in choices]
    most = max((len(rows) for _, rows in items), default=0)
    return [
        [[rows[number][column] for column in columns] for columns, rows in items
         if len(rows) == most]
        for number in range(most)
    ]  # fmt: skip


def blind_scores(choices: Sequence[Choice], arm: Arm) -> list[list[float]]:
    """The same without the disease's name; all items must have them."""
    rows = [(choice, arm.items[choice.key].blind) for choice in choices]
    return [[row[column] for column in choice.columns] for choice, row in rows if row is not None]
