"""LangGraph: many small graphs at once, each with a question of its own."""
# mypy: ignore-errors

import asyncio
import os

from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, MessagesState, StateGraph

model = ChatOpenAI(model="smollm2", temperature=0.7, extra_body={"max_tokens": 32})


def node(name):
    """An agent of the graph."""

    async def act(state):
        system = ("system", f"I am the {name}. I am brief.")
        return {"messages": [await model.ainvoke([system, *state["messages"]])]}

    return act


async def main():
    """All graphs side by side."""
    graph = StateGraph(MessagesState)
    graph.add_node("Writer", node("Writer"))
    graph.add_node("Reviewer", node("Reviewer"))
    graph.add_edge(START, "Writer")
    graph.add_edge("Writer", "Reviewer")
    graph.add_edge("Reviewer", END)
    run = graph.compile()
    questions = [f"Say something about the number {n}." for n in range(int(os.environ["TEAMS"]))]
    ends = await asyncio.gather(*(run.ainvoke({"messages": [("user", question)]}) for question in questions))
    for number, end in enumerate(ends):
        print(number, end["messages"][-1].content)


asyncio.run(main())
