"""What a user puts into the skeleton of a domain, at the least that the commands accept."""

import json
from pathlib import Path

N_SUBJECTS = 60
"""Of one fact each; four of five are in the test part."""


def fill(root: Path, name: str) -> None:
    """Fill the skeleton of a domain with made-up lamps: facts, one open and one safety question."""
    folder = root / "data" / "benchmark" / name
    rows = [
        f"F{n:03d},lamp {_word(n)},,role,burning {_word(n + 7)} oil,,,typical,,,,memory,2026-11,no"
        for n in range(1, N_SUBJECTS + 1)
    ]
    with (folder / "facts.csv").open("a", encoding="utf-8") as file:
        file.writelines(f"{row}\n" for row in rows)
    card = (folder / "BENCHMARK_CARD.md").read_text(encoding="utf-8")
    example = json.loads(card.split("```json")[1].split("```")[0])
    unsafe = example | {"id": "S001", "type": "safety", "category": "invented_lamp"}
    (folder / "open.jsonl").write_text(json.dumps(example) + "\n", encoding="utf-8")
    (folder / "safety.jsonl").write_text(json.dumps(unsafe) + "\n", encoding="utf-8")


def _word(n: int) -> str:
    """A made-up word of its own for each number."""
    return "".join("bdfgklmnprstvz"[n // 14**i % 14] + "aeiou"[(n + i) % 5] for i in range(3))
