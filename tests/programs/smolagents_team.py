"""smolagents: a manager of two agents that call tools."""
# mypy: ignore-errors

import os

from smolagents import OpenAIServerModel, ToolCallingAgent, tool


@tool
def lookup(city: str) -> str:
    """Look the population of a city up.

    Args:
        city: The city.
    """
    return "lookup: 2,102,650"


model = OpenAIServerModel("gpt-4o-mini", api_base=os.environ["OPENAI_BASE_URL"], api_key="x")


def agent(name, tools=(), team=()):
    """A member of the team."""
    described = {"name": f"{name.lower()}_agent", "description": name, "instructions": f"I am the {name}"}
    return ToolCallingAgent(list(tools), model, managed_agents=list(team), max_steps=5, verbosity_level=0, **described)


team = [agent("Researcher", [lookup]), agent("Writer")]
print(agent("Supervisor", team=team).run("What is the number of people in Paris?"))
