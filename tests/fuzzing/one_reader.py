"""Fuzz one reader in this process until the time is over or something is found.

    python -m tests.fuzzing.one_reader pubmed 60 runs/fuzzing/pubmed

atheris must see each module of ours as it is imported, so nothing of ours is imported above.
"""

import sys
from pathlib import Path

LONGEST_S = 10
"""Of one input; more is a hang."""
MEMORY_MIB = 2048


def main(name: str, seconds: str, kept: Path) -> None:
    """Never returns: libFuzzer ends the process."""
    import atheris

    with atheris.instrument_imports(include=["titer"]):  # not the libraries: ten times slower
        from tests.fuzzing import hostile, target, targets
        from titer import files

        reader = targets.all_targets()[name]
        corpus = kept / "corpus"
        corpus.mkdir(parents=True, exist_ok=True)
        for seed in (*reader.seeds, *hostile.inputs(reader.seeds)):
            (corpus / files.sha256_bytes(seed)[:16]).write_bytes(seed)
        for seed in reader.seeds:
            reader(seed)
        arguments = [
            "titer", str(corpus), f"-max_total_time={seconds}", f"-timeout={LONGEST_S}",
            f"-rss_limit_mb={MEMORY_MIB}", f"-max_len={target.LONGEST_INPUT}", "-seed=1",
            f"-artifact_prefix={kept}/",
        ]  # fmt: skip
        atheris.Setup(arguments, lambda data: reader(data) and None)
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
