"""Three agents in plain code: one synchronous, one streamed, one asynchronous on the Responses API."""
# mypy: ignore-errors

import asyncio

import openai

client, later = openai.OpenAI(), openai.AsyncOpenAI()


def prompt(agent, text):
    """What an agent is asked."""
    return [{"role": "system", "content": f"I am the {agent}"}, {"role": "user", "content": text}]


def main():
    """Research, write, review."""
    asked = prompt("Researcher", "The lookup says 2,102,650. Say it.")
    fact = client.chat.completions.create(model="m", messages=asked).choices[0].message.content
    chunks = client.chat.completions.create(model="m", messages=prompt("Writer", fact), stream=True)
    draft = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    review = later.responses.create(model="m", instructions="I am the Reviewer", input=draft)
    print(asyncio.run(_finished(review)).output_text)


async def _finished(awaitable):
    return await awaitable


main()
