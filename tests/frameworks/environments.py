"""A virtual environment for each framework, because they conflict: made once, under `BUTFOR_FRAMEWORKS`."""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple


class Framework(NamedTuple):
    """A framework as it is tested."""

    name: str
    packages: tuple[str, ...]
    program: str
    """A file in tests/programs."""
    agents: tuple[str, ...]
    streams: bool = False
    """Whether the program streams where `STREAM` is set."""


TEAM = ("Researcher", "Writer", "Reviewer")
LED = ("Supervisor", "Researcher", "Writer")

FRAMEWORKS = (
    Framework("openai 3", ("openai==3.54.0",), "plain_openai", TEAM),
    Framework("openai 2", ("openai==2.54.*",), "plain_openai", TEAM),
    Framework(
        "AutoGen",
        ("autogen-agentchat==0.7.5", "autogen-ext[openai]==0.7.5", "openai==3.54.0"),
        "autogen_team",
        TEAM,
        streams=True,
    ),
    Framework("OpenAI Agents", ("openai-agents==0.24.0", "openai==3.54.0"), "agents_sdk", LED, streams=True),
    Framework(
        "LangGraph",
        ("langgraph==1.2.22", "langchain==1.4.7", "langchain-openai==1.7.3"),
        "langgraph_graph",
        TEAM,
        streams=True,
    ),
    Framework("CrewAI", ("crewai==1.15.30",), "crewai_crew", TEAM),
    Framework("AG2 1.x", ("ag2[openai]==1.2.1", "openai==3.54.0"), "ag2_delegation", LED),
    Framework("AG2 classic", ("ag2[openai]==0.14.0", "openai==2.54.*"), "ag2_classic", TEAM),
    Framework("pydantic-ai", ("pydantic-ai-slim[openai]==2.68.0",), "pydantic_ai_delegation", LED),
    Framework(
        "smolagents",
        ("smolagents[openai]==1.26.0",),
        "smolagents_team",
        ("supervisor_agent", "researcher_agent", "writer_agent"),
    ),
    Framework(
        "Microsoft Agent Framework",
        ("agent-framework-core==1.23.0", "agent-framework-openai==1.17.0"),
        "agent_framework_team",
        TEAM,
    ),
)  # fmt: skip

CLIENTS = Framework(
    "clients",
    ("openai==2.54.*", "anthropic>=2", "ollama==0.6.3", "litellm==1.106.2"),
    "client_variants",
    ("Writer",),
)


def python_of(framework: Framework) -> Path:
    """The interpreter of a framework's environment, which is made where there is none."""
    folder = _root() / framework.name.lower().replace(" ", "_").replace(".", "")
    python, done = folder / "bin" / "python", folder / "packages.txt"
    wanted = "\n".join(framework.packages)
    if not done.exists() or done.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        install = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        for left in (2, 1, 0):  # a registry may be busy for a moment
            done_well = subprocess.run(["nice", *install, *framework.packages], check=not left).returncode == 0
            if done_well:
                break
        done.write_text(wanted)
    return python


def _root() -> Path:
    named = os.environ.get("BUTFOR_FRAMEWORKS")
    return Path(named) if named else Path.home() / ".cache" / "butfor-frameworks"
