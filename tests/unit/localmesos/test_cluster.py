"""Templates of agents and the cutting of one host's ports."""

import itertools

import pytest

from localmesos.cluster import AgentSpec, agent_specs, expand, port_ranges


def test_three_default_agents() -> None:
    specs = agent_specs(3)
    assert [spec.hostname for spec in specs] == ["agent1.local", "agent2.local", "agent3.local"]
    assert [spec.attributes for spec in specs] == [
        "rack:r0;zone:z0",
        "rack:r1;zone:z1",
        "rack:r2;zone:z0",
    ]
    assert specs[1].resources == "cpus:4;mem:4096;disk:10000;ports:[31500-31999]"
    assert specs[0].region is None


@pytest.mark.parametrize(
    ("template", "index", "expected"),
    [
        ("{i}", 7, "7"),
        ("{i+1}", 7, "8"),
        ("{i%3}", 7, "1"),
        ("{i//2}", 7, "3"),
        ("a{ i * 2 + 1 }b{i-10}", 7, "a15b-3"),
        ("{10-2-3}", 0, "5"),
        ("{2+3*i}", 4, "14"),
        ("{(2+3)*i}", 4, "20"),
        ("{((i))}", 4, "4"),
        ("disks:{{a,b}};r:{i}", 2, "disks:{a,b};r:2"),
        ("plain", 2, "plain"),
        ("", 2, ""),
    ],
)
def test_arithmetic_of_a_template(template: str, index: int, expected: str) -> None:
    assert expand(template, index) == expected


@pytest.mark.parametrize(
    "template",
    [
        "{}",
        "{",
        "}",
        "{i",
        "{j}",
        "{ii}",
        "{i 1}",
        "{i+}",
        "{+i}",
        "{(i}",
        "{i)}",
        "{i%0}",
        "{i**2}",
        "{i/2}",
        "{__import__('os')}",
        "{1234567890}",
        "{" + "+".join("1" * 40) + "}",
        "{" + "(" * 2000 + "i" + ")" * 2000 + "}",
    ],
)
def test_a_wrong_template_says_what_is_allowed(template: str) -> None:
    with pytest.raises(ValueError, match=r"\{i%3\}"):
        expand(template, 1)


def test_a_template_is_limited_in_size() -> None:
    with pytest.raises(ValueError, match="at most 10000 characters"):
        expand("x" * 10_001, 0)


@pytest.mark.parametrize("count", [1, 3, 17, 18, 266, 345, 346, 3453])
def test_port_ranges_are_disjoint_and_inside_the_port_space(count: int) -> None:
    ranges = port_ranges(count)
    assert len(ranges) == count
    assert ranges[0][0] == 31000
    assert ranges[-1][1] <= 65535
    assert all(end - begin + 1 >= 10 for begin, end in ranges)
    assert all(before[1] < after[0] for before, after in itertools.pairwise(ranges))
    if count <= 17:
        assert ranges[-1][1] < 32768


def test_too_many_agents_for_one_host_are_refused() -> None:
    with pytest.raises(ValueError, match="fewer than 10 ports each"):
        agent_specs(3454)
    assert len(agent_specs(5000, resources="cpus:1;mem:64")) == 5000


@pytest.mark.parametrize("count", [0, -1, 100_001])
def test_a_wrong_number_of_agents_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match="between 1 and 100000"):
        agent_specs(count, resources="cpus:1")


def test_a_fault_domain_needs_both_halves() -> None:
    specs = agent_specs(2, domain_region="europe", domain_zone="europe-{i}")
    assert [(spec.region, spec.zone) for spec in specs] == [
        ("europe", "europe-0"),
        ("europe", "europe-1"),
    ]
    with pytest.raises(ValueError, match="both a region and a zone"):
        AgentSpec("a", "", "cpus:1", region="europe")


def test_the_first_port_moves_all_ranges() -> None:
    assert port_ranges(2, 20000) == ((20000, 20499), (20500, 20999))
    with pytest.raises(ValueError, match="first port"):
        port_ranges(1, 80)
