"""The texts a constraint sees of an agent's hostname, fault domain and attributes."""

import pytest

from constraints import AttributeValue, Items, Ranges, Scalar, Text, agent_values


@pytest.mark.parametrize(
    ("attribute", "text"),
    [
        (Text("r1"), "r1"),
        (Text(""), ""),
        (Text("1.0"), "1.0"),
        (Scalar(1.0), "1"),
        (Scalar(10.0), "10"),
        (Scalar(100), "100"),
        (Scalar(0.0), "0"),
        (Scalar(0.5), "0.5"),
        (Scalar(1.25), "1.25"),
        (Scalar(1.0004), "1"),
        (Scalar(1.0005), "1"),
        (Scalar(1.00051), "1.001"),
        (Scalar(1.0015), "1.002"),
        (Scalar(1.0025), "1.002"),
        (Scalar(0.9999), "1"),
        (Scalar(-1.5), "-1.5"),
        (Scalar(-0.0001), "0"),
        (Scalar(1e20), "100000000000000000000"),
        (Scalar(1e-7), "0"),
        (Scalar(1.5e300), "15" + "0" * 299),
        (Scalar(float("inf")), "inf"),
        (Scalar(float("nan")), "nan"),
        (Ranges(((9, 9), (5, 7))), "[5-7,9-9]"),
        (Ranges(()), "[]"),
        (Ranges(((10, 12), (9, 9))), "[9-9,10-12]"),
        (Items(("b", "a")), "{a,b}"),
        (Items(()), "{}"),
    ],
)
def test_attribute_texts(attribute: AttributeValue, text: str) -> None:
    assert agent_values("h", None, None, [("x", attribute)])["x"] == text


def test_hostname_and_fault_domain() -> None:
    assert agent_values("a1", "eu", "z1", [("rack", Text("r1"))]) == {
        "hostname": "a1",
        "@hostname": "a1",
        "@region": "eu",
        "@zone": "z1",
        "rack": "r1",
    }


def test_without_fault_domain_the_fields_are_absent() -> None:
    assert agent_values("a1", None, None, []) == {"hostname": "a1", "@hostname": "a1"}


def test_first_attribute_of_a_name_wins() -> None:
    values = agent_values("a1", None, None, [("rack", Text("r1")), ("rack", Text("r2"))])
    assert values["rack"] == "r1"


@pytest.mark.parametrize("name", ["hostname", "@hostname", "@region", "@zone"])
def test_attributes_cannot_pose_as_the_hostname_or_fault_domain(name: str) -> None:
    assert agent_values("a1", None, None, [(name, Text("false"))]) == {
        "hostname": "a1",
        "@hostname": "a1",
    }
