"""Eleven ways of asking a model from Python: `python client_variants.py [NUMBER …]`."""
# mypy: ignore-errors

import asyncio
import os
import sys

BASE = os.environ["OPENAI_BASE_URL"].removesuffix("/v1")
SYSTEM = {"role": "system", "content": "I am the Writer"}
ASKED = [SYSTEM, {"role": "user", "content": "The population is 1,000"}]


async def _finished(awaitable):
    return await awaitable


def openai_sync():
    """The client as most use it."""
    import openai

    return openai.OpenAI().chat.completions.create(model="m", messages=ASKED).choices[0].message.content


def openai_stream():
    """In chunks."""
    import openai

    chunks = openai.OpenAI().chat.completions.create(model="m", messages=ASKED, stream=True)
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def openai_raw():
    """With the raw response."""
    import openai

    raw = openai.OpenAI().chat.completions.with_raw_response.create(model="m", messages=ASKED)
    return raw.parse().choices[0].message.content


def anthropic_sync():
    """Anthropic's client."""
    import anthropic

    client = anthropic.Anthropic(base_url=BASE, api_key="x")
    asked = {"model": "m", "max_tokens": 9, "system": SYSTEM["content"], "messages": ASKED[1:]}
    return client.messages.create(**asked).content[0].text


def anthropic_stream():
    """Anthropic's client, in events."""
    import anthropic

    client = anthropic.Anthropic(base_url=BASE, api_key="x")
    asked = {"model": "m", "max_tokens": 9, "system": SYSTEM["content"], "messages": ASKED[1:]}
    with client.messages.stream(**asked) as stream:
        return "".join(stream.text_stream)


def ollama_sync():
    """Ollama's client."""
    import ollama

    return ollama.Client(host=BASE).chat(model="m", messages=ASKED).message.content


def ollama_stream():
    """Ollama's client, in lines."""
    import ollama

    return "".join(c.message.content for c in ollama.Client(host=BASE).chat(model="m", messages=ASKED, stream=True))


def ollama_async():
    """Ollama's asynchronous client."""
    import ollama

    return asyncio.run(_finished(ollama.AsyncClient(host=BASE).chat(model="m", messages=ASKED))).message.content


def litellm_sync():
    """LiteLLM to an OpenAI-like server."""
    import litellm

    asked = {"model": "openai/m", "messages": ASKED, "api_base": f"{BASE}/v1", "api_key": "x"}
    return litellm.completion(**asked).choices[0].message.content


def litellm_async():
    """LiteLLM, asynchronous, on its aiohttp transport."""
    import litellm

    asked = {"model": "openai/m", "messages": ASKED, "api_base": f"{BASE}/v1", "api_key": "x"}
    return asyncio.run(_finished(litellm.acompletion(**asked))).choices[0].message.content


def litellm_anthropic():
    """LiteLLM, asynchronous, to an Anthropic-like server."""
    import litellm

    asked = {"model": "anthropic/m", "messages": ASKED, "api_base": BASE, "api_key": "x"}
    return asyncio.run(_finished(litellm.acompletion(**asked))).choices[0].message.content


def litellm_ollama():
    """LiteLLM to an Ollama-like server."""
    import litellm

    return litellm.completion(model="ollama_chat/m", messages=ASKED, api_base=BASE).choices[0].message.content


VARIANTS = (
    openai_sync, openai_stream, openai_raw, anthropic_sync, anthropic_stream, ollama_sync, ollama_stream,
    ollama_async, litellm_sync, litellm_async, litellm_anthropic, litellm_ollama,
)  # fmt: skip

if __name__ == "__main__":
    for number in map(int, sys.argv[1:] or range(len(VARIANTS))):
        print(VARIANTS[number].__name__, VARIANTS[number]())
