"""A failed run is suspect where it leaves the path of successful runs, or its own plan and ledger."""

from hypothesis import given
from labelled import ledger
from traces import addressed, conversations, run

from butfor.counterfactual.ranking.ledger import plan_items, read_ledger
from butfor.counterfactual.ranking.trajectory import along, part, trajectory
from butfor.replay.trace import Trace

GOOD = (
    ("Ann", "The plan is to read the table and to count the birds on every cliff."),
    ("Bob", "The table lists twelve birds on the northern cliff and nine on the southern."),
    ("Cat", "Twelve and nine birds make twenty-one birds on both cliffs together."),
    ("Ann", "The final answer is twenty-one birds."),
)
BAD = (
    GOOD[0],
    GOOD[1],
    ("Cat", "Only nests count, so the southern cliff drops out of the sum entirely."),
    ("Ann", "The final answer is twelve birds."),
)


def test_the_first_step_off_the_path_is_the_most_suspect() -> None:
    ranking = trajectory(run(*BAD), successes=[run(*GOOD)])
    assert ranking[0].step == 2
    assert "leaves the path" in ranking[0].reason
    assert {entry.step: entry.suspicion for entry in ranking}[1] == 0


def test_alignment_skips_what_only_one_run_says() -> None:
    longer = (GOOD[0], ("Bob", "Wait a moment, the file is still being opened here."), *GOOD[1:])
    parting = part(run(*longer), run(*GOOD))
    assert parting.matched == {0: 0, 2: 1, 3: 2, 4: 3}
    assert parting.step == 1


def test_the_nearest_successful_run_counts() -> None:
    other = tuple((who, f"Something else entirely, number {at}.") for at, (who, _) in enumerate(GOOD))
    assert along(run(*other), run(*GOOD))(run(*BAD))[0].step == 2


@given(conversations())
def test_a_run_does_not_part_from_itself(trace: Trace) -> None:
    assert part(trace, trace).step == len(trace.steps)
    assert all(entry.suspicion == 0 for entry in trajectory(trace, successes=[trace]))


@given(conversations(), conversations())
def test_every_step_is_ranked_once(trace: Trace, success: Trace) -> None:
    wanted = [step.index for step in trace.steps if step.kind != "human"]
    for ranking in (trajectory(trace), trajectory(trace, successes=[success])):
        assert sorted(entry.step for entry in ranking) == wanted


def test_without_a_success_the_ledger_says_where_progress_stopped() -> None:
    trace = addressed(
        ("Ann", "Search for birds.", ("Bob",)),
        ("Bob", "Here are birds.", None),
        ("Ann", ledger(progress=True), ()),
        ("Ann", "Open the page.", ("Bob",)),
        ("Bob", "I clicked an advertisement for shoes.", None),
        ("Ann", ledger(progress=False, loop=True), ()),
    )
    top = trajectory(trace)[:2]
    assert {entry.step for entry in top} == {3, 4}
    assert "progress stopped" in top[0].reason


def test_a_plan_is_the_list_behind_the_word() -> None:
    trace = run(("Ann", "Here is the plan:\n1. Read the table.\n2. Count the birds.\n\nGo on."), ("Bob", "ok"))
    assert plan_items(trace.steps) == ("Read the table.", "Count the birds.")


def test_a_ledger_that_says_little_is_read_as_far_as_it_goes() -> None:
    assert read_ledger("no ledger") is None
    found = read_ledger('{"is_in_loop": {"reason": "x", "answer": true}, "is_progress_being_made": 3}')
    assert found is not None
    assert (found.loop, found.progress, found.satisfied) == (True, None, None)
