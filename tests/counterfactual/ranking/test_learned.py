"""The shipped model is plain numbers that rank any run; a file that is no model is refused."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from traces import addressed, conversations, run

from butfor.cache.errors import ExperimentError
from butfor.counterfactual.ranking.learned import Model, learned, read_model, shipped_model
from butfor.replay.importers import import_log
from butfor.replay.trace import Trace

NODE = {"names": ["a"], "threshold": [0], "right": [0], "value": [0]}


@given(conversations())
def test_every_step_is_ranked_once_with_a_reason(trace: Trace) -> None:
    ranking = learned(trace)
    assert sorted(entry.step for entry in ranking) == [s.index for s in trace.steps if s.kind != "human"]
    assert [entry.suspicion for entry in ranking] == sorted((e.suspicion for e in ranking), reverse=True)
    assert all(entry.agent == trace.steps[entry.step].agent and entry.reason for entry in ranking)


def test_a_run_of_a_person_alone_has_no_culprit() -> None:
    assert learned(run(("User", "Hello?"))) == ()


def test_a_log_is_ranked_within_fifty_milliseconds(logs: Path) -> None:
    traces = [import_log(path) for path in sorted((logs / "who_and_when").glob("*.json"))]
    learned(traces[0])
    for trace in traces:
        times = []
        for _ in range(3):
            started = time.perf_counter()
            learned(trace)
            times.append(time.perf_counter() - started)
        assert min(times) < 0.05


def test_the_model_carries_its_scores_and_the_licence_of_its_data() -> None:
    model = shipped_model()
    assert set(model.scores) == {"chat", "orchestrated"}
    assert all(scores.folds == 10 and len(scores.seeds) == 5 for scores in model.scores.values())
    assert "MIT" in model.data


def test_ranking_loads_no_learning_library() -> None:
    script = (
        "import sys; from butfor.counterfactual.ranking.learned import learned; from butfor.replay.importers import "
        f"import_log; learned(import_log({str(_log())!r})); print('sklearn' in sys.modules, 'scipy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_a_model_survives_its_file() -> None:
    model = shipped_model()
    assert read_model(model.to_json()) == model


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"version": 2}, "version"),
        (
            {"chat": {"names": ["a"], "roots": [0], "feature": [0], "threshold": [0], "right": [0], "value": [0]}},
            "node 0",
        ),
        (
            {"chat": {"names": ["a"], "roots": [5], "feature": [-1], "threshold": [0], "right": [0], "value": [0]}},
            "root",
        ),
        ({"orchestrated": {"names": ["a"], "means": [0], "scales": [0], "weights": [1]}}, "scale"),
        ({"orchestrated": {"names": ["a"], "means": [], "scales": [1], "weights": [1]}}, "length"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_damaged_model_is_refused(change: dict[str, object], complaint: str) -> None:
    with pytest.raises(ExperimentError, match=complaint):
        read_model(json.dumps({"version": 1} | change))


def test_a_kind_of_run_that_was_not_learned_is_an_error() -> None:
    chats_only = Model(chat=shipped_model().chat)
    assert chats_only(run(("Ann", "Hi.")))
    with pytest.raises(ExperimentError, match="orchestrator"):
        chats_only(addressed(("Ann", "Go.", ("Bob",)), ("Bob", "Done.", None)))


def _log() -> Path:
    return Path(__file__).parents[2] / "logs" / "who_and_when" / "AG-47.json"
