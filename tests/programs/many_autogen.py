"""AutoGen: many small teams at once, each with a question of its own."""
# mypy: ignore-errors

import asyncio
import os

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core.models import ModelInfo
from autogen_ext.models.openai import OpenAIChatCompletionClient

INFO = ModelInfo(vision=False, function_calling=False, json_output=False, structured_output=False, family="unknown")


async def asked(model, number):
    """One team's last word on its question."""

    def agent(name):
        return AssistantAgent(name, model, system_message=f"I am the {name} of team {number}. I am brief.")

    team = RoundRobinGroupChat([agent("Writer"), agent("Reviewer")], termination_condition=MaxMessageTermination(3))
    result = await team.run(task=f"Say something about the number {number}.")
    return result.messages[-1].to_text()


async def main():
    """All teams side by side."""
    model = OpenAIChatCompletionClient(model="smollm2", model_info=INFO, max_tokens=32, temperature=0.7)
    for number, said in enumerate(await asyncio.gather(*(asked(model, n) for n in range(int(os.environ["TEAMS"]))))):
        print(number, said)


asyncio.run(main())
