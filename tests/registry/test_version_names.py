"""Names, numbers, and which number comes next."""

import json
from dataclasses import asdict, replace

import pytest

from titer.errors import ConfigError, DataError
from titer.registry import names, record
from titer.registry.names import Name, Number
from titer.registry.record import BASE_KEYS, Record

DOMAINS = ("autoimmune", "legal")
OLD = Record(
    description="d", base=dict.fromkeys(BASE_KEYS, "b"), licence="mit", data_sha256="data",
    plan_sha256="plan", weights_sha256="w", tree_sha256="t", precision="nf4", verdict="helped",
    sentence="s", endpoint="closed_acc", metrics={"n": 300},
)  # fmt: skip
OTHER_BASE = {"base": OLD.base | {"revision": "c"}, "weights_sha256": "w2"}


@pytest.mark.parametrize(
    ("taken", "changes", "number", "why"),
    [
        ([], {}, "v1.0.0", "the first version"),
        (["v1.0.0"], {"weights_sha256": "w2", "data_sha256": "d2"}, "v1.1.0", "new data"),
        (["v1.0.0"], {"weights_sha256": "w2"}, "v1.1.0", "new settings"),
        (["v1.0.0"], {"weights_sha256": "w2", "data_sha256": None}, "v1.1.0", "other weights"),
        (["v1.0.0"], OTHER_BASE, "v2.0.0", "a new base model"),
        (["v1.0.0"], OTHER_BASE | {"data_sha256": "d2"}, "v2.0.0", "a new base model"),
        (["v1.2.0"], {"verdict": "hurt"}, "v1.2.1", "the same weights judged anew"),
        (["v1.2.1"], {"plan_sha256": "p2"}, "v1.2.2", "the same weights judged anew"),
        (["v1.9.0", "v1.10.0"], {"weights_sha256": "w2"}, "v1.11.0", "new settings"),
        (["v2.3.4"], OTHER_BASE, "v3.0.0", "a new base model"),
        (["v2.3.4"], {"weights_sha256": "w2"}, "v2.4.0", "new settings"),
    ],
)
def test_what_changed_decides_the_number(
    taken: list[str], changes: dict[str, object], number: str, why: str
) -> None:
    known = [names.parse_number(text) for text in taken]
    found = names.next_number(known, OLD if known else None, replace(OLD, **changes))
    assert (str(found[0]), found[1]) == (number, why)


@pytest.mark.parametrize("changes", [{}, {"description": "other words"}])
def test_nothing_new_is_no_version(changes: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"^v1\.0\.0 already has this base, .*; nothing new"):
        names.next_number([Number(1, 0, 0)], OLD, replace(OLD, **changes))


def test_a_name_and_its_number_are_read_and_written_alike() -> None:
    name, number = names.parse("legal-full@v1.10.0", DOMAINS)
    assert (name, number) == (Name("legal", "full"), Number(1, 10, 0))
    assert f"{name}@{number}" == "legal-full@v1.10.0"
    assert names.parse("autoimmune-qlora", DOMAINS) == (Name("autoimmune", "qlora"), None)
    assert Number(1, 10, 0) > Number(1, 9, 9)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("autoimune-qlora", "'autoimune-qlora' is no name of a model; .*mean autoimmune-qlora"),
        ("autoimmune", "'autoimmune' is no name of a model; expected one of autoimmune-qlora, "),
        ("autoimmune-lora", "'autoimmune-lora' is no name of a model"),
        ("tax-qlora", "'tax-qlora' is no name of a model"),
        ("../autoimmune-qlora", "is no name of a model"),
        ("autoimmune-qlora\n", "is no name of a model"),
        ("", "'' is no name of a model"),
        ("autoimmune-qlora@1.0.0", "'1.0.0' is no version; expected the form v1.0.0"),
        ("autoimmune-qlora@v1.0", "'v1.0' is no version"),
        ("autoimmune-qlora@v01.0.0", "'v01.0.0' is no version"),
        ("autoimmune-qlora@latest", "'latest' is no version"),
        ("autoimmune-qlora@", "'' is no version"),
    ],
)
def test_a_wrong_name_is_one_line(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        names.parse(text, DOMAINS)
    assert "\n" not in str(caught.value)


def test_a_record_comes_back_from_its_tag() -> None:
    assert record.from_text(OLD.to_text(), "a@v1.0.0") == OLD


@pytest.mark.parametrize(
    "changes",
    [
        {"metrics": {"score": "high"}},
        {"metrics": {"score": None}},
        {"metrics": {"score": True}},
        {"metrics": {"score": float("nan")}},
        {"metrics": {"score": 10**400}},
        {"description": 5},
        {"licence": ["mit"]},
        {"base": OLD.base | {"id": 5}},
    ],
    ids=["text", "null", "bool", "no number", "too large", "description", "licence", "base"],
)
def test_a_record_with_values_of_another_kind_is_refused(changes: dict[str, object]) -> None:
    text = json.dumps(asdict(OLD) | changes)
    with pytest.raises(DataError, match=r"^a@v1\.0\.0: its tag holds no record of"):
        record.from_text(text, "a@v1.0.0")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Registering artifact a version v1.0.0", "a@v1.0.0: its tag holds no record of"),
        ("[]", "a@v1.0.0: its tag holds no record of"),
        ('{"schema_version": 1}', "a@v1.0.0: its tag holds no record of"),
        ('{"schema_version": 9}', "a@v1.0.0: its record has schema version 9, this Titer reads 1"),
    ],
)
def test_a_tag_of_another_program_is_one_line(text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        record.from_text(text, "a@v1.0.0")
