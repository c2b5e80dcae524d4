"""AG2 1.x: a supervisor whose tools are the other agents."""
# mypy: ignore-errors

import asyncio

from ag2 import Agent, tool
from ag2.config import OpenAIConfig


@tool
async def lookup(city: str) -> str:
    """Look the population of a city up."""
    return "lookup: 2,102,650"


config = OpenAIConfig("gpt-4o-mini")
researcher = Agent("Researcher", "I am the Researcher", config=config, tools=[lookup])
writer = Agent("Writer", "I am the Writer", config=config)


@tool
async def ask_researcher(task: str) -> str:
    """Ask the researcher."""
    return (await researcher.ask("What is the number of people in Paris?")).body


@tool
async def ask_writer(task: str) -> str:
    """Ask the writer."""
    return (await writer.ask(task)).body


supervisor = Agent("Supervisor", "I am the Supervisor", config=config, tools=[ask_researcher, ask_writer])


async def main():
    """Run the team."""
    print((await supervisor.ask("What is the number of people in Paris?")).body)


asyncio.run(main())
