"""AutoGen: a round-robin team whose researcher has a tool."""
# mypy: ignore-errors

import asyncio
import os

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import MaxMessageTermination, TextMentionTermination
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_ext.models.openai import OpenAIChatCompletionClient


async def lookup(city: str) -> str:
    """Look the population of a city up."""
    return "lookup: 2,102,650"


async def main():
    """Run the team."""
    model = OpenAIChatCompletionClient(model="gpt-4o-mini")
    stream = bool(os.environ.get("STREAM"))

    def agent(name, **options):
        return AssistantAgent(name, model, system_message=f"I am the {name}", model_client_stream=stream, **options)

    researcher = agent("Researcher", tools=[lookup], reflect_on_tool_use=True)
    end = TextMentionTermination("TERMINATE") | MaxMessageTermination(12)
    team = RoundRobinGroupChat([researcher, agent("Writer"), agent("Reviewer")], termination_condition=end)
    result = await team.run(task="What is the population of Paris?")
    for message in result.messages:
        print(message.source, message.to_text())


asyncio.run(main())
