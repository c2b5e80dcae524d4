"""LangGraph: an agent with a tool as the first node, two functions after it."""
# mypy: ignore-errors

import os

from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, MessagesState, StateGraph


@tool
def lookup(city: str) -> str:
    """Look the population of a city up."""
    return "lookup: 2,102,650"


model = ChatOpenAI(model="gpt-4o-mini", streaming=bool(os.environ.get("STREAM")))


def speaker(name):
    """A node that asks the model as one agent."""

    def speak(state):
        return {"messages": [model.invoke([("system", f"I am the {name}"), *state["messages"]])]}

    return speak


graph = StateGraph(MessagesState)
graph.add_node("Researcher", create_agent(model, [lookup], system_prompt="I am the Researcher", name="Researcher"))
graph.add_node("Writer", speaker("Writer"))
graph.add_node("Reviewer", speaker("Reviewer"))
for before, after in (
    (START, "Researcher"),
    ("Researcher", "Writer"),
    ("Writer", "Reviewer"),
    ("Reviewer", END),
):
    graph.add_edge(before, after)
for message in graph.compile().invoke({"messages": [("user", "What is the population of Paris?")]})["messages"]:
    print(message.type, message.content)
