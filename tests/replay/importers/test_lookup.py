import pytest
from hypothesis import given
from hypothesis import strategies as st

from butfor.cache.call import Call, Message
from butfor.replay.reading import edges
from butfor.replay.trace import Step

_TEXTS = st.lists(st.text("ab \n", min_size=1, max_size=24), min_size=2, max_size=12)


@given(_TEXTS)
def test_looking_texts_up_finds_what_looking_one_by_one_finds(texts: list[str]) -> None:
    steps = [_step(index, texts) for index in range(len(texts))]
    found = []
    for few in (0, 1000):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(edges, "_FEW", few)
            found.append(edges.linked(steps))
    assert found[0] == found[1]


def _step(index: int, texts: list[str]) -> Step:
    asked = Message(role="user", content="\n".join(texts[:index][-3:]) or "start")
    return Step(index=index, agent=f"a{index % 2}", output=texts[index], call=Call(model="m", messages=(asked,)))
