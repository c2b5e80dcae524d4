"""pydantic-ai: a supervisor whose tools ask the other agents; one prompt holds dates and ids."""
# mypy: ignore-errors

import asyncio

from pydantic_ai import Agent, RunContext
from pydantic_ai.models.openai import OpenAIChatModel

model = OpenAIChatModel("gpt-4o-mini")
researcher = Agent(model, name="Researcher", instructions="I am the Researcher")
writer = Agent(model, name="Writer", instructions="I am the Writer")
supervisor = Agent(model, name="Supervisor", instructions="I am the Supervisor")


@researcher.tool_plain
def lookup(city: str) -> str:
    """Look the population of a city up."""
    return "lookup: 2,102,650"


@supervisor.tool_plain
async def ask_researcher(task: str) -> str:
    """Ask the researcher."""
    return (await researcher.run("What is the number of people in Paris?")).output


@supervisor.tool
async def ask_writer(context: RunContext, task: str) -> str:
    """Ask the writer."""
    return (await writer.run(f"Write about this: {context.messages}")).output


async def main():
    """Run the team."""
    print((await supervisor.run("What is the number of people in Paris?")).output)


asyncio.run(main())
