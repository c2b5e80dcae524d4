import json
from pathlib import Path

from butfor.replay.importers import _SNIFFED_CHARACTERS, import_log


def test_a_chat_longer_than_what_is_looked_at_may_begin_without_a_name(tmp_path: Path) -> None:
    said = [{"role": "assistant", "name": f"A{i % 3}", "content": f"{i} " + "sold coats " * 30} for i in range(300)]
    text = json.dumps([{"role": "user", "content": "Count the coats."}, *said])
    assert len(text) > _SNIFFED_CHARACTERS
    (tmp_path / "chat.json").write_text(text)
    trace = import_log(tmp_path / "chat.json")
    assert (trace.source.format, len(trace.steps)) == ("plain-chat", 301)
