"""Readers of what lies in a project and may come from elsewhere: results, keys, plans, models."""

import gzip
import json
from collections.abc import Callable, Mapping

from tests.fuzzing.target import Target, folder, place, sample, short_yaml, written
from titer.errors import DataError, SourceError, TiterError, Unavailable
from titer.literature.http import Unusable
from titer.records import Answer

# -- results, and what sweeps and DVC leave


def read_answers(data: bytes) -> object:
    from titer.registry import comparison
    from titer.report import sources

    path = written(data, "answers.json")
    return [sources._answer(row, path, n) for n, row in enumerate(sources._list(path), 1)], (
        comparison.read_answers(path)
    )


def read_losses(data: bytes) -> object:
    from titer.report import sources

    return sources._loss(written(data, "loss.csv"))


def read_sweep(name: str) -> Callable[[bytes], object]:
    def read(data: bytes) -> object:
        from titer.report import sweeps

        job = place("sweep") / "0"
        path = job / name
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
        trials = sweeps.read(folder() / "sweep")
        return sweeps.table(trials), sweeps.counted(trials)

    return read


def read_dvc_lock(data: bytes) -> object:
    from titer.repair import findings, objects

    stages = findings.stages_in(data)
    cache = folder() / "no cache"
    return objects.owners(stages, cache, cache), objects.check_outs(
        cache,
        cache,
        stages,
        (),
        lambda wanted: wanted,  # nothing was made here
    )


def read_dvc_yaml(data: bytes) -> object:
    from titer.registry import repository

    written(data, "dvc.yaml")
    return repository.check_artifact(folder(), "autoimmune", "qlora", "models/qlora")


def read_trainer_state(data: bytes) -> object:
    from titer.training import checkpoints

    at = place("checkpoints") / "checkpoint-1"
    at.mkdir()
    (at / checkpoints.STATE).write_bytes(data)
    found = checkpoints.last_checkpoint(at.parent)
    if found is None:
        raise DataError("cut")
    return found


def read_lock_of_questions(data: bytes) -> object:
    from titer.evaluation import questions

    at = place("benchmark")
    (at / questions.LOCK).write_bytes(data)
    (at / "facts.csv").write_bytes(sample("data/benchmark/autoimmune/facts.csv", 3))
    return questions.check_lock(at, at)


def read_packed_rows(data: bytes) -> object:
    from titer import files

    return list(files.read_jsonl(written(data, "rows.jsonl.gz")))


# -- training rows and what people write


def read_chat(data: bytes) -> object:
    from titer.examples.formats import chat

    return chat.read(written(data, "train.jsonl"))


def read_generated(data: bytes) -> object:
    from titer.examples import generated

    return generated.gate(generated.read_file(written(data, "generated.jsonl")), [])


def read_sheet(data: bytes) -> object:
    from titer.examples import review_sheet

    return review_sheet.read(written(data, "sheet.csv"))


def read_exported(data: bytes) -> object:
    from titer.conversations import shapes

    return shapes.read(written(data, "conversations.jsonl"), "chat")


def scrubbed(data: bytes) -> object:
    from titer.conversations import scrub

    return scrub.scrub(data.decode("utf-8", "replace"))


def read_prose(data: bytes) -> object:
    from titer.evaluation import sample_prose

    return sample_prose.load_prose(written(data, "prose.yaml"))


def read_wordings(data: bytes) -> object:
    from titer.modeling import pocket

    (at := place("pretraining")).joinpath("prose.txt").write_text("A word.")
    (at / "everyday.csv").write_bytes(sample("data/pretraining/everyday.csv", 3))
    (at / "wordings.yaml").write_bytes(data)
    return pocket.read_material(at)


def read_dotenv(data: bytes) -> object:
    from titer.literature.credentials import Credentials

    found = Credentials.from_environment({}, written(data, ".env"))
    found.require_email()
    assert found.email not in repr(found)
    return found


# -- serving


def read_keys(data: bytes) -> object:
    from titer.serving import keys

    path = written(data, "keys.json")
    path.chmod(0o600)
    ring = keys.KeyRing(path)
    return ring.find("a"), [key.is_valid(keys.utc_now()) for key in keys.read(path)]


def read_plan(data: bytes) -> object:
    from titer.serving import experiments

    at = place("plans")
    target = experiments.path(at, "one")
    target.parent.mkdir()
    target.write_bytes(data)
    found = experiments.running(at)
    return [plan.version("a person") for plan in found.values()]


def read_events(data: bytes) -> object:
    from titer.serving.engines.remote import Remote

    server = Remote("a server", "http://127.0.0.1", None, n_asked=1, silence_s=1)
    return [server._event(line) for line in data.decode("utf-8", "replace").splitlines()]


def read_version_name(data: bytes) -> object:
    from titer.registry import names

    return names.parse(data.decode("utf-8", "replace"), ["autoimmune", "biology"])


def read_activation(data: bytes) -> object:
    import datetime

    from titer.registry import tags

    event = {
        "ref": "a#1", "version": "v1.0.0", "message": data.decode("utf-8", "replace"),
        "author": "a", "timestamp": datetime.datetime(2026, 1, 1),
    }  # fmt: skip
    return tags._activation(event)


def read_judgement(data: bytes) -> object:
    from titer.evaluation import judge

    try:
        return judge.reply_of(data)
    except (ValueError, LookupError, TypeError):
        raise Unavailable("no chat completion") from None


# -- models of others


def read_model_config(data: bytes) -> object:
    from titer.export import gguf_header

    (at := place("model")).joinpath("config.json").write_bytes(data)
    header = gguf_header.read(at)
    return header, gguf_header.rope_factors(header)


def read_shape(data: bytes) -> object:
    from titer.training import memory

    (at := place("model")).joinpath("config.json").write_bytes(data)
    shape = memory.read_shape(at)
    return memory.linear_layers(shape)


def read_gguf_tensors(data: bytes) -> object:
    from titer.export import gguf_weights

    return [
        (gguf_weights.llama_cpp_name(one.name.removesuffix(".weight")), one.values())
        for one in gguf_weights.stored(written(data, "tensors.safetensors"))
    ]


def read_gguf_adapter(data: bytes) -> object:
    from titer.export import gguf_model

    (at := place("adapter")).joinpath("adapter_config.json").write_bytes(data)
    (at / "adapter_model.safetensors").write_bytes(b"")
    return gguf_model._adapter_config(at)


def read_end_ids(data: bytes) -> object:
    from types import SimpleNamespace

    from titer.serving.engines import prompts

    (at := place("model")).joinpath("generation_config.json").write_bytes(data)
    return prompts.end_ids(at, SimpleNamespace(eos_token_id=0))


def read_card(data: bytes) -> object:
    from titer.export import hub_folder

    path = place("model") / "README.md"
    path.write_bytes(data)
    return hub_folder.front_matter(path)


def read_licence(data: bytes) -> object:
    from titer.export import source

    (at := place("model")).joinpath("LICENSE").write_bytes(data)
    return source.licence_text(at)


def stated_licence(data: bytes) -> object:
    from titer.literature import licences

    return licences.normal_licence(data.decode("utf-8", "replace"), source="s")


# -- answers of services that have no target elsewhere


def read_own_papers(suffix: str) -> Callable[[bytes], object]:
    def read(data: bytes) -> object:
        from titer.literature import files as own_files

        return own_files.read_papers(written(data, f"own{suffix}"))

    return read


def read_oai(data: bytes) -> object:
    from types import SimpleNamespace
    from typing import Any

    from titer.literature.arxiv_oai import ArxivOai

    def refuse(what: str, text: str) -> TiterError:
        return SourceError(f"{what}: {text}")

    service: Any = SimpleNamespace(line=SimpleNamespace(refuse=refuse))
    return ArxivOai(service)._verified(data, {"verb": "ListRecords"})


def read_kept_answer(data: bytes) -> object:
    from titer.literature.cache import Cache

    cache = Cache(folder(), "2026-01-01", offline=True)
    for kind in ("pubmed", "ids"):
        path = cache.path(kind, "key")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    found = cache.read("pubmed", "key"), cache.read_ids("key")
    if found == (None, None):
        raise DataError("damaged")
    return found


OAI = b"""<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><ListRecords><record><header>
<identifier>oai:arXiv.org:2001.00001</identifier></header><metadata><arXiv
xmlns="http://arxiv.org/OAI/arXiv/"><license>http://creativecommons.org/licenses/by/4.0/</license>
</arXiv></metadata></record><resumptionToken>t</resumptionToken></ListRecords></OAI-PMH>"""
ROW = {
    "id": "a",
    "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}],
    "recipe": "r", "recipe_version": 1, "paper_id": "pmid:1", "source": "pubmed", "title": "t",
    "spans": [],
}  # fmt: skip
GENERATED = {
    "question": "q", "answer": "a", "quote": "u", "paper_id": "pmid:1", "model": "m",
    "revision": "r", "prompt_sha256": "s", "raw": "w", "temperature": 0.5, "seed": 1,
}  # fmt: skip
KEYS = {
    "schema_version": 1,
    "keys": [
        {
            "id": "a", "sha256": "0" * 64, "owner": "anna", "domains": ["autoimmune"],
            "admin": False, "created": "2026-01-01T00:00:00+00:00",
            "expires": "2027-01-01T00:00:00+00:00", "revoked": None,
        }
    ],
}  # fmt: skip
PLAN = {
    "schema_version": 1, "name": "one", "domain": "autoimmune", "a": "autoimmune-qlora@v1.0.0",
    "b": "autoimmune-qlora@v1.1.0", "share_b": 50, "salt": "s", "min_users": 50, "max_users": 100,
    "margin": 0.05, "alpha": 0.05, "started_at": "2026-01-01T00:00:00Z", "ended_at": None,
}  # fmt: skip
LLAMA = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu",
    "num_attention_heads": 4, "num_key_value_heads": 2, "num_hidden_layers": 2, "hidden_size": 64,
    "intermediate_size": 128, "vocab_size": 100, "max_position_embeddings": 64,
    "rms_norm_eps": 1e-6, "head_dim": 16, "sliding_window": 32, "tie_word_embeddings": False,
    "rope_parameters": {
        "rope_type": "llama3", "rope_theta": 1e4, "factor": 8.0, "low_freq_factor": 1.0,
        "high_freq_factor": 4.0, "original_max_position_embeddings": 32,
    },
}  # fmt: skip
GPT2 = {"model_type": "gpt2", "n_embd": 64, "n_layer": 2, "vocab_size": 9, "n_positions": 8,
        "n_inner": None}  # fmt: skip
EXPORTED = {"messages": [], "conversation_id": "a", "source": "b", "satisfaction": 0.9}
DVC_LOCK = b"""schema: '2.0'
stages:
  one:
    cmd: a
    deps:
    - {path: in, md5: 0cc175b9c0f1b6a831c399e269772661, size: 1}
    outs:
    - {path: out, md5: 0cc175b9c0f1b6a831c399e269772661.dir, size: 1}
"""
EVENTS = b'data: {"choices": [{"delta": {"content": "a"}}]}\n\ndata: [DONE]\n'
ANSWER = Answer("a", "b", "c", "d", "e", 0.5, "f")
ACTIVATION = {"action": "activate", "forced": False, "verdict": "helped", "reason": "r"}


def as_json(value: object) -> bytes:
    return json.dumps(value).encode()


def all_targets(seeds: Mapping[str, bytes]) -> dict[str, Target]:
    """Name -> target.

    Args:
        seeds: whole files that other readers begin from too: completion, lora, pubmed, atom,
            tensors.
    """
    from titer.examples import review_sheet

    sheet = ",".join(review_sheet.COLUMNS) + '\np,"q, ""r""",a,s,,yes,no,,,,,\n'
    benchmark = "data/benchmark/autoimmune"
    return {
        "answers": Target(read_answers, (as_json([ANSWER.to_json()]),)),
        "losses": Target(read_losses, (b"step,epoch,train_loss\n1,0.5,2.5\n",)),
        "sweep_result": Target(
            read_sweep("result.json"),
            (b'{"objective": 0.5, "stage": "train_qlora", "overrides": ["a=1", "+b=x"]}',),
        ),
        "sweep_overrides": Target(read_sweep(".hydra/overrides.yaml"), (b"- a=1\n- +b=x\n",)),
        "dvc_lock": Target(read_dvc_lock, (DVC_LOCK,)),
        "dvc_yaml": Target(
            read_dvc_yaml,
            (b'artifacts:\n  "${domain}-qlora":\n    path: models/qlora\n    type: model\n',),
        ),
        "trainer_state": Target(read_trainer_state, (b'{"global_step": 1}',)),
        "packed_rows": Target(read_packed_rows, (gzip.compress(b'{"a": 1}\n', mtime=0),)),
        "chat": Target(read_chat, (as_json(ROW) + b"\n",)),
        "generated": Target(read_generated, (as_json(GENERATED) + b"\n",)),
        "sheet": Target(read_sheet, (sheet.encode(),)),
        "exported": Target(read_exported, (as_json(EXPORTED) + b"\n",)),
        "scrub": Target(
            scrubbed, (b"Ask a.b@example.org or +49 30 1234567 on 2026-01-01, MRN: 12345.",)
        ),
        "prose": Target(read_prose, (short_yaml(f"{benchmark}/prose.yaml"),)),
        "wordings": Target(read_wordings, (short_yaml("data/pretraining/wordings.yaml"),)),
        "dotenv": Target(read_dotenv, (b"NCBI_EMAIL=a@example.org\nexport NCBI_API_KEY='b'\n",)),
        "keys": Target(read_keys, (as_json(KEYS),)),
        "plan": Target(read_plan, (as_json(PLAN),)),
        "events": Target(read_events, (EVENTS,)),
        "version_name": Target(read_version_name, (b"autoimmune-qlora@v1.0.0",)),
        "activation": Target(read_activation, (as_json(ACTIVATION),)),
        "judgement": Target(read_judgement, (seeds["completion"],)),
        "model_config": Target(read_model_config, (as_json(LLAMA),)),
        "shape": Target(read_shape, (as_json(LLAMA), as_json(GPT2))),
        "gguf_tensors": Target(read_gguf_tensors, (seeds["tensors"],)),
        "gguf_adapter": Target(read_gguf_adapter, (seeds["lora"],)),
        "end_ids": Target(read_end_ids, (b'{"eos_token_id": [1, 2]}',)),
        "card": Target(read_card, (b"---\nlicense: mit\n---\n# A model\n",)),
        "licence": Target(read_licence, (b"MIT License\n",)),
        "stated_licence": Target(
            stated_licence,
            (b"CC BY-NC 4.0", b"under the terms of the Creative Commons Attribution License"),
        ),
        "own_xml": Target(read_own_papers(".xml"), (seeds["pubmed"], seeds["atom"])),
        "own_xml_gz": Target(
            read_own_papers(".xml.gz"), (gzip.compress(seeds["pubmed"], mtime=0),)
        ),
        "oai": Target(read_oai, (OAI,), (TiterError, Unusable)),
        "kept_answer": Target(
            read_kept_answer, (gzip.compress(b"<a/>", mtime=0), b'{"papers": ["1"]}')
        ),
    }  # fmt: skip
