import pytest

from rotator.errors import Refused
from rotator.model import Secret
from rotator.values import MOST, refuse_unfit


@pytest.mark.parametrize("value", ["x", "a b", "*a*", "masked-but-not-only", "hiddenx", "é", "x" * MOST, "\t"])
def test_a_value_that_a_consumer_can_use_is_taken(value):
    refuse_unfit({"password": Secret(value)})


@pytest.mark.parametrize(
    "value",
    [
        "",
        "*",
        "***",
        "••••",
        "[MASKED]",
        "<redacted>",
        "(hidden)",
        "filtered",
        "a\nb",
        "a\r",
        "a\0",
        "\udc80",
        "x" * (MOST + 1),
        "é" * MOST,
    ],
)
def test_a_value_that_no_consumer_can_use_is_refused_by_its_name_alone(value):
    with pytest.raises(Refused, match="the value of password") as no:
        refuse_unfit({"username": Secret("app"), "password": Secret(value)})
    assert len(value) < 10 or value not in str(no.value)
    assert no.value.__context__ is None


def test_nothing_at_all_is_refused():
    with pytest.raises(Refused):
        refuse_unfit({})
