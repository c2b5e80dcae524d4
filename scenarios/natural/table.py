"""Answers of a real small model, frozen: for each agent's question as many draws as were made."""

import gzip
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from .team import Team

FROZEN = Path(__file__).with_name("frozen.json.gz")
"""SmolLM2-135M (Q4_1) at temperature 0.9, 32 draws a question; `greedy` beside it is temperature 0, one draw."""

Table = Mapping[str, Sequence[str]]


@cache
def frozen(kind: str = "sampled") -> Table:
    """The table that is shipped: `sampled` or `greedy`."""
    found: dict[str, Table] = json.loads(gzip.decompress(FROZEN.read_bytes()))
    return found[kind]


def request(team: Team, agent: str, question: str, *, temperature: float) -> dict[str, Any]:
    """The body of the model's call: a few turns as examples, and a grammar of the answers that there are."""
    messages = [{"role": "system", "content": f"You are the {agent}."}]
    for asked, said in team.shots[agent]:
        messages += [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]
    messages.append({"role": "user", "content": question})
    grammar = "root ::= " + " | ".join(f'"{choice}"' for choice in team.choices[agent])
    return {"model": "smollm2", "messages": messages, "temperature": temperature, "max_tokens": 16, "grammar": grammar}


def freeze(
    teams: Sequence[Team],
    address: str,
    table: dict[str, list[str]],
    *,
    temperature: float,
    draws: int,
    at_once: int = 1,
) -> Iterator[str]:
    """Ask a live model every question that a run of these teams can reach, `draws` times each; tell how far it is.

    `address` is that of an OpenAI-compatible server, up to `/v1`, which gives `at_once` answers to a request. What
    stands in the table already is not asked again.
    """
    import httpx

    begun = time.monotonic()
    with httpx.Client(trust_env=False, timeout=300) as client:
        for team in teams:
            asked = 0
            while missing := [
                q for q in dict.fromkeys(team.questions(table)) if len(table.get("|".join(q), ())) < draws
            ]:
                for agent, question in missing:
                    said = table.setdefault(f"{agent}|{question}", [])
                    while len(said) < draws:
                        body = {
                            **request(team, agent, question, temperature=temperature),
                            "n": min(at_once, draws - len(said)),
                        }
                        reply = client.post(
                            f"{address}/chat/completions", json={**body, "seed": 1000 + len(said)}
                        ).json()
                        said += [choice["message"]["content"] for choice in reply["choices"]]
                        asked += len(reply["choices"])
                    yield f"{team.name}: {asked} draws, {len(table)} questions, {time.monotonic() - begun:.0f} s"
