"""A real model behind the provider: seeds, log-probabilities, usage, and answers that are cut short."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import JsonValue

from butfor.cache.call import Call, Completion, Message, ToolCall
from butfor.cache.connect import connect
from butfor.cache.errors import ProviderError
from butfor.cache.provider import Cached, Provider
from butfor.cache.store import MemoryStore

pytest_plugins = ["local_model"]
pytestmark = pytest.mark.model

ENDING: dict[str, JsonValue] = {"max_tokens": 64, "temperature": 0.7, "stop": ["\n", "."]}
"""Answers of at most one sentence, which this model ends by itself."""


@pytest.fixture(scope="module")
def provider(smollm2: str) -> Provider:
    return connect(smollm2)


def question(text: str, **params: JsonValue) -> Call:
    system = Message(role="system", content="Answer in one short sentence.")
    user = Message(role="user", content=text, name="The user")
    return Call(model="openai:smollm2", messages=(system, user), params={**ENDING, **params})


def test_it_answers(provider: Provider) -> None:
    completion = provider.complete(question("What is the capital of France?", temperature=0))
    assert "Paris" in completion.text
    assert completion.finish_reason == "stop"
    assert completion.usage is not None
    assert completion.usage.input_tokens > 20
    assert 0 < completion.usage.output_tokens <= 64


def test_a_seed_is_a_draw(provider: Provider) -> None:
    def drawn(seed: int) -> str:
        return provider.complete(question("Name an animal, and say why you like it.", seed=seed)).text

    first = [drawn(seed) for seed in range(4)]
    assert len(set(first)) > 1
    assert [drawn(seed) for seed in reversed(range(4))] == first[::-1]


def test_threads_do_not_change_a_draw(provider: Provider) -> None:
    calls = [question("Name an animal, and say why you like it.", seed=seed) for seed in range(4)]
    alone = [provider.complete(call).text for call in calls]
    with ThreadPoolExecutor(4) as pool:
        assert [completion.text for completion in pool.map(provider.complete, calls)] == alone


def test_repeats_differ_today_and_agree_tomorrow(provider: Provider) -> None:
    store = MemoryStore()
    call = question("Name an animal, and say why you like it.")

    def repeats() -> list[Completion]:
        return [Cached(provider, store, sample=sample).complete(call) for sample in range(4)]

    today = repeats()
    tomorrow = repeats()
    assert len({completion.text for completion in today}) > 1
    assert [c.text for c in tomorrow] == [c.text for c in today]
    assert {c.origin for c in tomorrow} == {"cached"}


def test_log_probabilities(provider: Provider) -> None:
    completion = provider.complete(question("What is 2 + 2?", logprobs=True, top_logprobs=1, temperature=0))
    assert completion.logprobs
    assert all(logprob <= 0 for _, logprob in completion.logprobs)
    assert "".join(token for token, _ in completion.logprobs).startswith(completion.text)


def test_a_cut_answer_is_not_stored(provider: Provider) -> None:
    store = MemoryStore()
    with pytest.raises(ProviderError, match=r"cut short after 5 tokens.*raise params="):
        Cached(provider, store).complete(question("Tell me a long story.", max_tokens=5, stop=[]))
    assert list(store.calls()) == []


def test_a_question_longer_than_the_context(provider: Provider) -> None:
    with pytest.raises(ProviderError, match="context size"):
        provider.complete(question("word " * 3000))


def test_tool_messages_are_accepted(provider: Provider) -> None:
    history = (
        Message(role="user", content="What is 17 + 25?"),
        Message(role="assistant", tool_calls=(ToolCall(id="c1", name="add", arguments='{"a": 17, "b": 25}'),)),
        Message(role="tool", content="42", tool_call_id="c1", name="add"),
        Message(role="user", content="Say the result."),
    )
    completion = provider.complete(Call(model="openai:smollm2", messages=history, params=ENDING))
    assert completion.finish_reason == "stop"
