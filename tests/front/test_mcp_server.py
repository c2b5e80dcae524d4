"""The MCP server, asked by the SDK's own client over stdio."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from fleets import run

pytest.importorskip("mcp")
pytestmark = pytest.mark.slow


def asked(folder: Path, tool: str, arguments: dict[str, Any], *options: str) -> tuple[bool, str]:
    import anyio
    from mcp import ClientSession, StdioServerParameters
    from mcp.client.stdio import stdio_client

    line = ["-m", "butfor", "mcp", "--model", "fleets:TEAM", "--cache", str(folder / "cache"), *options]
    path = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}

    async def session() -> tuple[bool, str]:
        made = StdioServerParameters(command=sys.executable, args=line, env=path)
        async with stdio_client(made) as (read, write), ClientSession(read, write) as client:
            await client.initialize()
            names = {found.name for found in (await client.list_tools()).tools}
            assert names == {"list_steps", "read_step", "rank", "plan", "whatif", "blame", "verify"}
            reply = await client.call_tool(tool, arguments)
            return bool(reply.is_error), "".join(getattr(part, "text", "") for part in reply.content)

    return anyio.run(session)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "run.json"
    path.write_text(run(1, "Counter").to_json())
    return path


def test_reading_asks_nothing(log: Path, tmp_path: Path) -> None:
    failed, text = asked(tmp_path, "read_step", {"run": str(log), "step": 1})
    assert not failed, text
    assert json.loads(text)["agent"] == "Counter"


def test_nothing_is_asked_live_without_a_budget_and_blame_is_found_with_one(log: Path, tmp_path: Path) -> None:
    failed, text = asked(tmp_path, "whatif", {"run": str(log), "agent": "Counter", "instruction": "count twice"})
    assert failed
    assert "live calls are off" in text
    failed, text = asked(tmp_path, "blame", {"run": str(log)}, "--max-calls", "200")
    assert not failed, text
    assert json.loads(text)["agent"] == "Counter"
