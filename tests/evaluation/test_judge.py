"""The optional judge, against a stand-in endpoint on this machine."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from titer.config import JudgeSettings
from titer.errors import ConfigError
from titer.evaluation import judge

KEY = "secret-of-the-judge"


class StandIn:
    """An endpoint that answers each prompt by a function, and notes what it was sent."""

    def __init__(self) -> None:
        self.reply: Callable[[str], str] = lambda prompt: "yes"
        self.status_of: Callable[[str], int] = lambda prompt: 200
        self.journal: list[dict[str, Any]] = []
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                key = self.headers.get("Authorization")
                stand_in.journal.append({"path": self.path, "key": key, **body})
                prompt = body["messages"][0]["content"]
                text = stand_in.reply(prompt)
                content = json.dumps({"choices": [{"message": {"content": text}}]}).encode()
                self.send_response(stand_in.status_of(prompt))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                """Stay silent."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    found = StandIn()
    yield found
    found.server.shutdown()
    found.server.server_close()


def settings(url: str | None, **more: Any) -> JudgeSettings:
    return JudgeSettings(True, url, "judge-1", ".cache/judge", 5.0, **more)


def answer(text: str, *states: str, human: bool = False, flags: tuple[str, ...] = ()) -> Any:
    points = [
        {"id": f"k{n}", "text": f"point {n}", "state": state, "human_override": human}
        for n, state in enumerate(states, 1)
    ]
    return {"response": text, "flags": list(flags), "key_points": points}


def stats(**arms: Any) -> dict[str, Any]:
    return {"answers": [{"question": "Which antibody?", "arms": arms}]}


def read(found: dict[str, Any], url: str | None, cache: Path) -> dict[str, Any]:
    return judge.read(found, settings(url), cache=cache, api_key=KEY)


def test_one_criterion_per_call_at_temperature_0(stand_in: StandIn, tmp_path: Path) -> None:
    found = read(stats(base=answer("ANA", "met", "missing")), stand_in.url, tmp_path)
    assert [row["path"] for row in stand_in.journal] == ["/v1/chat/completions"] * 2
    assert {row["temperature"] for row in stand_in.journal} == {0}
    prompts = [row["messages"][0]["content"] for row in stand_in.journal]
    assert ["point 1" in p for p in prompts] == [True, False]
    assert found["recall"] == {"base": 1.0}
    assert found["matcher"] == {"n": 2, "agreement": 0.5, "kappa": 0.0}
    assert found["people"]["n"] == 0


def test_no_model_is_named_to_the_judge(stand_in: StandIn, tmp_path: Path) -> None:
    arms = {"base": answer("x", "met"), "full": answer("y", "met")}
    read(stats(**arms), stand_in.url, tmp_path)
    asked = json.dumps([row["messages"] for row in stand_in.journal])
    assert not any(name in asked for name in ("qlora", "full", "base", "fine-tune"))


def preferring(text: str) -> Callable[[str], str]:
    return lambda prompt: "A" if f"Answer A: {text}\n" in prompt else "B"


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (preferring("new"), "wins"),
        (preferring("old"), "losses"),
        (lambda prompt: "A", "ties"),
        (lambda prompt: "neither", "ties"),
    ],
    ids=["new", "old", "always the first", "no letter"],
)
def test_a_preference_that_turns_with_the_order_is_a_tie(
    stand_in: StandIn, tmp_path: Path, reply: Callable[[str], str], outcome: str
) -> None:
    stand_in.reply = reply
    arms = {"base_4bit": answer("old"), "qlora": answer("new")}
    found = read(stats(**arms), stand_in.url, tmp_path)
    assert found["pairs"]["qlora"] == {"base": "base_4bit", "wins": 0, "losses": 0, "ties": 0} | {
        outcome: 1
    }


def test_a_comparison_without_a_letter_is_an_unclear_tie(stand_in: StandIn, tmp_path: Path) -> None:
    replies = iter(["Answer B is more complete.", "A"])
    stand_in.reply = lambda prompt: next(replies)
    arms = {"base_4bit": answer("old"), "qlora": answer("new")}
    found = read(stats(**arms), stand_in.url, tmp_path)
    assert (found["pairs"]["qlora"]["ties"], found["unclear"]) == (1, 1)


def test_scoring_again_asks_nothing_again(stand_in: StandIn, tmp_path: Path) -> None:
    stand_in.reply = lambda prompt: "A" if "Answer A:" in prompt else "yes"
    arms = {"base": answer("x", "met"), "full": answer("y", "met")}
    first = read(stats(**arms), stand_in.url, tmp_path)
    n_calls = len(stand_in.journal)
    assert n_calls == 4
    assert read(stats(**arms), stand_in.url, tmp_path) == first
    assert len(stand_in.journal) == n_calls


def test_thoughts_are_skipped_and_unclear_replies_counted(
    stand_in: StandIn, tmp_path: Path
) -> None:
    replies = iter(["<think>no, wait</think> Yes.", "perhaps"])
    stand_in.reply = lambda prompt: next(replies)
    found = read(stats(base=answer("ANA", "met", "met")), stand_in.url, tmp_path)
    assert (found["recall"], found["unclear"]) == ({"base": 0.5}, 1)


def test_an_empty_answer_is_not_asked_about(stand_in: StandIn, tmp_path: Path) -> None:
    empty = answer("a thought without an end", "missing", flags=("empty",))
    assert read(stats(base=empty), stand_in.url, tmp_path)["recall"] == {"base": 0.0}
    assert stand_in.journal == []


def test_agreement_with_people_is_apart_from_the_matchers(
    stand_in: StandIn, tmp_path: Path
) -> None:
    arms = {"base": answer("x", "met", human=True), "base_4bit": answer("y", "missing")}
    found = read(stats(**arms), stand_in.url, tmp_path)
    assert found["people"] == {"n": 1, "agreement": 1.0, "kappa": None}
    assert found["matcher"] == {"n": 1, "agreement": 0.0, "kappa": 0.0}


def test_the_key_travels_in_the_header_only(stand_in: StandIn, tmp_path: Path) -> None:
    found = read(stats(base=answer("x", "met")), stand_in.url, tmp_path)
    (call,) = stand_in.journal
    assert call.pop("key") == f"Bearer {KEY}"
    kept = "".join(path.read_text() for path in tmp_path.rglob("*.json"))
    assert KEY not in json.dumps([call, found]) + kept


@pytest.mark.parametrize(
    ("status", "reply", "reason"),
    [(401, "no", "answers 401"), (422, "no", "answers 422"), (500, "no", "answers 500")],
)
def test_a_refusing_judge_is_a_line_and_no_error(
    stand_in: StandIn, tmp_path: Path, caplog: Any, status: int, reply: str, reason: str
) -> None:
    stand_in.status_of = lambda prompt: status
    found = read(stats(base=answer("x", "met")), stand_in.url, tmp_path)
    assert found["status"] == "not_run"
    assert found["reason"].startswith(f"{stand_in.url}/chat/completions {reason}: ")
    assert caplog.messages[-1] == f"judge: not run ({found['reason']})"
    assert ("Check TITER_JUDGE_API_KEY" in found["reason"]) == (status == 401)
    assert KEY not in caplog.text


def test_a_question_that_is_not_taken_is_unclear_and_the_others_go_on(
    stand_in: StandIn, tmp_path: Path, caplog: Any
) -> None:
    asked = stats(base=answer("ANA", "met", "met", "met"))
    stand_in.status_of = lambda prompt: 400 if "point 2" in prompt else 200
    found = read(asked, stand_in.url, tmp_path)
    assert (found["status"], found["unclear"]) == ("ok", 1)
    assert found["recall"] == {"base": pytest.approx(2 / 3)}
    assert "a question is not taken" in caplog.text
    stand_in.status_of = lambda prompt: 200
    assert read(asked, stand_in.url, tmp_path)["unclear"] == 0


@pytest.mark.parametrize("content", [None, "", [], "I cannot say"])
def test_a_reply_that_cannot_be_read_is_asked_for_again(
    stand_in: StandIn, tmp_path: Path, content: Any
) -> None:
    stand_in.reply = lambda prompt: content
    first = read(stats(base=answer("ANA", "met")), stand_in.url, tmp_path)
    assert (first["status"], first["unclear"]) == ("ok", 1)
    stand_in.reply = lambda prompt: [{"type": "text", "text": "yes"}]
    again = read(stats(base=answer("ANA", "met")), stand_in.url, tmp_path)
    assert (again["recall"], again["unclear"]) == ({"base": 1.0}, 0)


@pytest.mark.parametrize(
    ("reply", "outcome", "unclear"),
    [
        (("A", "B"), "wins", 0),
        (("**Answer:** B", "(A)"), "losses", 0),
        (("The answer is A.", "B: it is complete"), "wins", 0),
        (("A more complete answer is B.", "B"), "ties", 1),
        (("A and B are equal", "B"), "ties", 1),
        (("A or B? Neither.", ""), "ties", 2),
    ],
)
def test_a_letter_alone_is_a_preference(
    stand_in: StandIn, tmp_path: Path, reply: tuple[str, str], outcome: str, unclear: int
) -> None:
    replies = iter(reply)
    stand_in.reply = lambda prompt: next(replies)
    arms = {"base_4bit": answer("old"), "qlora": answer("new")}
    found = read(stats(**arms), stand_in.url, tmp_path)
    assert (found["pairs"]["qlora"][outcome], found["unclear"]) == (1, unclear)


@pytest.mark.parametrize(
    ("reply", "recall", "unclear"),
    [
        ("Yes, it does.", 1.0, 0),
        ("**no**", 0.0, 0),
        ("No answer is possible.", 0.0, 1),
        ("yesterday", 0.0, 1),
    ],
)
def test_yes_or_no_is_a_word_alone(
    stand_in: StandIn, tmp_path: Path, reply: str, recall: float, unclear: int
) -> None:
    stand_in.reply = lambda prompt: reply
    found = read(stats(base=answer("ANA", "met")), stand_in.url, tmp_path)
    assert (found["recall"], found["unclear"]) == ({"base": recall}, unclear)


def test_equal_and_empty_answers_are_no_further_opinions(stand_in: StandIn, tmp_path: Path) -> None:
    same = answer("x", "met", human=True)
    empty = answer("", "missing", flags=("empty",))
    found = read(stats(base=same, base_4bit=same, full=empty), stand_in.url, tmp_path)
    assert found["people"] == {"n": 1, "agreement": 1.0, "kappa": None}
    assert found["matcher"]["n"] == 0


def test_an_unreachable_judge_is_a_line_and_no_error(tmp_path: Path) -> None:
    found = read(stats(base=answer("x", "met")), "http://127.0.0.1:9/v1", tmp_path)
    reason = "http://127.0.0.1:9/v1/chat/completions does not answer"
    assert found == {"status": "not_run", "reason": reason}


def test_a_key_that_would_travel_in_the_clear_goes_nowhere(tmp_path: Path) -> None:
    found = read(stats(base=answer("x", "met")), "http://judge.example/v1", tmp_path)
    assert found["status"] == "not_run"
    assert found["reason"].startswith("score.judge.base_url: judge.example is asked without TLS")


def test_a_judge_that_is_switched_off_asks_nothing(tmp_path: Path) -> None:
    off = replace(settings("http://127.0.0.1:9/v1"), enabled=False)
    assert judge.read({}, off, cache=tmp_path, api_key=None) == {"status": "off"}


@pytest.mark.parametrize("url", [None, "127.0.0.1:8000", "http://me:secret@127.0.0.1/v1"])
def test_an_address_that_cannot_be_asked_is_refused(url: str | None) -> None:
    with pytest.raises(ConfigError, match=r"^score\.judge\.base_url") as error:
        settings(url)
    assert "secret" not in str(error.value)
