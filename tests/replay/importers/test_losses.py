"""Nothing is lost in silence: an import that comes out empty is refused by the field it could not read."""

import json
from pathlib import Path

import pytest

from butfor.cache.errors import LogFormatError, UnknownFormat
from butfor.replay.importers import import_folder, import_log


def _chat(key: str, texts: list[str]) -> list[dict[str, str]]:
    return [{"role": "user", "content": "Go."}, *({"role": "assistant", "content": "", key: text} for text in texts)]


def test_texts_that_no_step_holds_refuse_the_import(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    file.write_text(json.dumps(_chat("reply", ["I go left.", "I go right.", "I stay."])), encoding="utf-8")
    with pytest.raises(LogFormatError, match=r"3 of 3 model steps are empty.*\[1\]\.reply is 'I go left\.'"):
        import_log(file)
    ((_, problem),) = import_folder(tmp_path)
    assert isinstance(problem, LogFormatError)


def test_steps_that_are_empty_in_the_log_are_read(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    file.write_text(json.dumps(_chat("model", ["m", "m", "m"])), encoding="utf-8")
    assert [step.output for step in import_log(file).steps] == ["Go.", "", "", ""]


def test_other_runs_of_a_file_are_no_loss(tmp_path: Path) -> None:
    file = tmp_path / "runs.jsonl"
    talk = [{"role": "user", "content": "Go."}, {"role": "assistant", "content": "I went."}]
    runs = [{"id": "silent", "messages": _chat("model", ["m", "m"])}, {"id": "loud", "messages": talk}]
    file.write_text("\n".join(map(json.dumps, runs)), encoding="utf-8")
    assert len(import_log(f"{file}#silent").steps) == 3


def test_one_nan_or_an_odd_role_refuses_no_file(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    file.write_text(
        '[{"role": "user", "content": "Go."}, {"role": "navigator", "content": "Left.", "score": NaN}]',
        encoding="utf-8",
    )
    assert [(step.agent, step.kind) for step in import_log(file).steps] == [("user", "human"), ("navigator", "llm")]


def test_a_refusal_says_what_was_seen_and_what_to_write(tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    file.write_text('{"alpha": 1, "beta": 2}\n{"gamma": 3}\n', encoding="utf-8")
    with pytest.raises(UnknownFormat, match=r'2 records with the keys alpha, beta, gamma.*\[\{"role": "user"'):
        import_log(file)
    file.write_text("one line\nand another", encoding="utf-8")
    with pytest.raises(UnknownFormat, match="text, 2 lines that begin with 'one line'"):
        import_log(file)
