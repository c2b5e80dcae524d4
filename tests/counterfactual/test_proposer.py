"""The corrector sees what the step could know, never the expected answer, and may say that nothing is wrong."""

import pytest
from traces import addressed, run, told, trace_of

from butfor.cache.call import Call, Message
from butfor.cache.errors import ProviderError
from butfor.cache.provider import Provider
from butfor.cache.scripted import Scripted
from butfor.counterfactual.intervention import Intervention
from butfor.counterfactual.proposer import Corrector
from butfor.replay.trace import Agent, Culprit, Outcome, Read, Step

RUN = run(
    ("User", "Add 2 and 2."),
    ("Ann", "x = 2 - 2"),
    ("Bob", "It is 0."),
    expected="the secret 4711",
    outcome=Outcome(success=False, answer="0", explanation="expected the secret 4711"),
    culprit=Culprit(agent="Ann", step=1, reason="the secret 4711 slip"),
)


def proposed(reply: str, step: int = 1) -> tuple[Intervention, ...]:
    return Corrector(Scripted([reply]), "openai:a")(RUN, step)


def test_a_correction_is_taken_as_it_is_written() -> None:
    assert proposed("x = 2 + 2") == (Intervention(kind="correct", step=1, output="x = 2 + 2"),)
    assert proposed("  x = 2 + 2  \n")[0].output == "  x = 2 + 2  "


def test_marks_around_it_are_left_out() -> None:
    assert proposed("<message>\nx = 2 + 2\n</message>")[0].output == "x = 2 + 2"


@pytest.mark.parametrize(
    "reply",
    [
        "NOTHING TO CORRECT",
        "Nothing to correct.",
        "**NOTHING TO CORRECT**",
        "<message>\nNOTHING TO CORRECT\n</message>",
        "x = 2 - 2",
        "  x = 2  -  2\n",
        "",
        "\n \n",
        "<message></message>",
    ],
)
def test_nothing_to_correct(reply: str) -> None:
    assert proposed(reply) == ()


@pytest.mark.parametrize("reply", ["x = 2 * 2", "X = 2 - 2", "x = (2 - 2)", "x == 2 - 2"])
def test_a_sign_or_a_case_is_a_correction(reply: str) -> None:
    assert proposed(reply)[0].output == reply


def question(provider: Scripted) -> Call:
    assert len(provider.calls) == 1
    return provider.calls[0]


def test_the_question() -> None:
    live = Scripted(["x = 2 + 2"])
    trace = RUN.model_copy(
        update={"agents": (*RUN.agents[:1], Agent(name="Ann", system_prompt="Write code."), RUN.agents[2])}
    )
    Corrector(live, "openai:a", params={"temperature": 0})(trace, 1)
    call = question(live)
    assert (call.model, call.agent, call.step, call.params) == ("openai:a", "corrector", 1, {"temperature": 0})
    assert "4711" not in call.model_dump_json()
    assert "Write code." in call.messages[1].text
    assert [message.text for message in call.messages[2:]] == [
        "The task:\nWhat is 2 + 2?",
        "User:\nAdd 2 and 2.",
        "The message of Ann to review:\n<message>\nx = 2 - 2\n</message>",
    ]


def test_it_sees_neither_what_came_later_nor_what_others_thought() -> None:
    trace = addressed(("Ann", "a thought", ()), ("Bob", "a plan", None), ("Cat", "later", None))
    live = Scripted(["better"])
    Corrector(live, "openai:a")(trace, 1)
    assert "a thought" not in told(question(live))
    assert "later" not in told(question(live)).replace("later steps", "")


def test_of_a_recorded_question_it_sees_all() -> None:
    asked = Call(
        model="openai:b",
        messages=(
            Message(role="system", content="Be brief."),
            Message(role="user", content="Ann said: 4"),
            Message(role="user", content="Is that even?"),
        ),
    )
    first = Step(index=0, agent="Ann", output="4")
    second = Step(index=1, agent="Bob", output="No.", call=asked, reads=(Read(0, "verbatim"),))
    live = Scripted(["Yes."])
    trace = trace_of([first, second], fidelity="messages")
    assert Corrector(live, "openai:a")(trace, 1)[0].output == "Yes."
    texts = [message.text for message in question(live).messages]
    assert "Ann said: 4" in texts
    assert "Is that even?" in texts
    assert "Be brief." not in texts


def test_a_failure_is_not_a_proposal() -> None:
    class Down:
        def complete(self, call: Call) -> None:
            raise ProviderError("down")

    provider: Provider = Down()  # type: ignore[assignment]
    with pytest.raises(ProviderError):
        Corrector(provider, "openai:a")(RUN, 1)
