"""Microsoft Agent Framework: three agents in sequence on the Responses API, the first with a tool."""
# mypy: ignore-errors

import asyncio

from agent_framework import Agent
from agent_framework.openai import OpenAIChatClient


def lookup(city: str) -> str:
    """Look the population of a city up."""
    return "lookup: 2,102,650"


async def main():
    """Run the team."""
    client = OpenAIChatClient("gpt-4o-mini")
    text = "What is the number of people in Paris?"
    for name, tools in (("Researcher", [lookup]), ("Writer", []), ("Reviewer", [])):
        agent = Agent(client, instructions=f"I am the {name}", name=name, tools=tools)
        text = (await agent.run(text)).text
    print(text)


asyncio.run(main())
