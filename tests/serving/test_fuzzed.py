"""Thousands of requests drawn from the gateway's own description, right ones and wrong ones."""

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode

from tests.serving import gateways
from tests.serving.gateways import Opened
from titer.serving import audit
from titer.serving.catalogue import Catalogue
from titer.serving.engines.in_process import InProcess

N_CASES = 3_000
N_EACH = 340
"""Per endpoint with a body, right ones and as many wrong ones."""
N_NAMES = 100
"""Per endpoint with a name in its path."""
N_OPERATIONS = 17


@pytest.fixture
def address(tmp_path: Path, served: Catalogue, engine: InProcess) -> Iterator[tuple[Opened, str]]:
    """A real server on loopback; answers are kept short, and nobody is locked out."""
    limits = {"key_per_minute": 10**9, "n_failures": 10**6, "max_new_tokens": 4, "n_jobs": 2}
    gateway = gateways.opened(tmp_path, served, [engine], **limits)
    config = uvicorn.Config(
        gateway.app, port=0, log_level="critical", access_log=False, lifespan="off", ws="none"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
    port = server.servers[0].sockets[0].getsockname()[1]
    yield gateway, f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_no_request_of_a_client_is_a_failure_of_the_gateway(address: tuple[Opened, str]) -> None:
    gateway, url = address
    description = httpx.get(f"{url}/openapi.json").json()
    parts = description["components"]["schemas"]
    # names that are there, or every right request would end at a model that is not
    parts["Completion"]["properties"]["model"] = {"enum": ["base", *gateways.DOMAINS]}
    for name in ("Question", "Chat", "Query"):
        parts[name]["properties"]["domain"] = {"enum": list(gateways.DOMAINS)}
    schema = schemathesis.openapi.from_dict(description)
    operations = [one.ok() for one in schema.get_all_operations()]
    assert len(operations) == N_OPERATIONS
    counts: Counter[int] = Counter()
    failures: list[str] = []
    secret = {"Authorization": f"Bearer {gateway.keys['admin']}"}

    def run(operation: Any, mode: GenerationMode, n: int) -> None:
        @settings(
            max_examples=n, deadline=None, database=None, derandomize=True,
            phases=[Phase.generate], suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(operation.as_strategy(generation_mode=mode))
        def one(case: Any) -> None:
            reply = case.call(base_url=url, headers=secret)
            counts[reply.status_code] += 1
            if reply.status_code >= 500:
                failures.append(f"{reply.status_code} {case.as_curl_command()}")

        one()

    for operation in operations:
        if operation.body:
            run(operation, GenerationMode.POSITIVE, N_EACH)
            run(operation, GenerationMode.NEGATIVE, N_EACH)
        else:  # where nothing but a name in the path is sent, nothing can be of a wrong type
            n = N_NAMES if operation.path_parameters else 1
            run(operation, GenerationMode.POSITIVE, n)
    print(f"{counts.total():,} cases, {len(failures)} with 5xx; by status: {dict(counts)}")
    assert not failures, failures[:5]
    assert counts.total() >= N_CASES
    assert counts[200] > N_CASES / 10
    n_lines = len((gateway.root / audit.FILE).read_text().splitlines())
    assert n_lines > 0
