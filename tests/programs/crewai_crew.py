"""CrewAI: three tasks in sequence, the first with a tool."""
# mypy: ignore-errors

import os

os.environ.update(CREWAI_DISABLE_TELEMETRY="true", OTEL_SDK_DISABLED="true", CREWAI_TRACING_ENABLED="false")

from crewai import LLM, Agent, Crew, Process, Task
from crewai.tools import tool


@tool("lookup")
def lookup(city: str) -> str:
    """Look the population of a city up."""
    return "lookup: 2,102,650"


llm = LLM(model="gpt-4o-mini")


def agent(name, tools=()):
    """A member of the crew."""
    return Agent(role=name, goal=f"I am the {name}", backstory="None.", llm=llm, tools=list(tools))


tasks = [
    Task(
        description="Find the population of Paris",
        expected_output="a fact",
        agent=agent("Researcher", [lookup]),
    ),
    Task(description="Write a draft", expected_output="a draft", agent=agent("Writer")),
    Task(description="Review", expected_output="the final answer", agent=agent("Reviewer")),
]
crew = Crew(agents=[task.agent for task in tasks], tasks=tasks, process=Process.sequential)
print(crew.kickoff().raw)
