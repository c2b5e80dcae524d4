"""OpenAI Agents SDK: an agent as a tool, then a handoff."""
# mypy: ignore-errors

import asyncio
import os

from agents import Agent, Runner, function_tool, set_tracing_export_api_key


@function_tool
def lookup(city: str) -> str:
    """Look the population of a city up."""
    return "lookup: 2,102,650"


set_tracing_export_api_key("")
writer = Agent(name="Writer", instructions="I am the Writer", model="gpt-4o-mini")
researcher = Agent(name="Researcher", instructions="I am the Researcher", tools=[lookup], model="gpt-4o-mini")
supervisor = Agent(
    name="Supervisor",
    instructions="I am the Supervisor",
    model="gpt-4o-mini",
    tools=[researcher.as_tool("ask_researcher", "Ask the researcher")],
    handoffs=[writer],
)


async def main():
    """Run the team."""
    task = "What is the population of Paris?"
    if os.environ.get("STREAM"):
        result = Runner.run_streamed(supervisor, task)
        async for _ in result.stream_events():
            pass
    else:
        result = await Runner.run(supervisor, task)
    print(result.last_agent.name, result.final_output)


asyncio.run(main())
