"""AG2 0.x: a group chat the researcher with a tool."""
# mypy: ignore-errors

import os

from autogen import ConversableAgent, GroupChat, GroupChatManager

config = {
    "config_list": [{"model": "gpt-4o-mini", "api_key": "x", "base_url": os.environ["OPENAI_BASE_URL"]}],
    "cache_seed": None,
}


def agent(name):
    """A member of the chat."""
    return ConversableAgent(name, system_message=f"I am the {name}", llm_config=config, human_input_mode="NEVER")


def lookup(city: str) -> str:
    """Look the population of a city up."""
    return "lookup: 2,102,650"


researcher, writer, reviewer = agent("Researcher"), agent("Writer"), agent("Reviewer")
researcher.register_for_llm(name="lookup", description="Look the population of a city up.")(lookup)
researcher.register_for_execution(name="lookup")(lookup)


def following(last, chat):
    """The researcher until it has spoken, then the others in turn."""
    said = chat.messages[-1]
    if last not in (researcher, writer) or said.get("tool_calls") or said["role"] == "tool":
        return researcher
    return writer if last is researcher else reviewer


chat = GroupChat([researcher, writer, reviewer], messages=[], max_round=8, speaker_selection_method=following)
manager = GroupChatManager(chat, llm_config=config, is_termination_msg=lambda m: "TERMINATE" in (m["content"] or ""))
start = ConversableAgent("Caller", llm_config=False, human_input_mode="NEVER")
start.initiate_chat(manager, message="What is the population of Paris?", silent=True)
for message in chat.messages:
    print(message.get("name"), message.get("content"))
