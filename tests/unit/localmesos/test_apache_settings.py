"""Where the engine looks for its settings: pip's configuration, Mesos' flags, the state folder."""

import os
import socket
from pathlib import Path

import pytest

from localmesos.apache.errors import EngineError
from localmesos.apache.flags import (
    Address,
    agent_environment,
    domain_json,
    flag_variables,
    master_environment,
)
from localmesos.apache.index_settings import DEFAULT_INDEX, index_settings, without_credentials
from localmesos.apache.library import master_info
from localmesos.apache.nodes import resolve
from localmesos.apache.plan import make_plan
from localmesos.apache.ports import free_port, is_free
from localmesos.cluster import AgentSpec, agent_specs

SPEC = AgentSpec("agent1.local", "rack:r0", "cpus:1", "europe", "europe-a")


def pip_environment(tmp_path: Path, **variables: str) -> dict[str, str]:
    """An environment whose pip settings lie below `tmp_path` only (but for the machine's own)."""
    system = {"XDG_CONFIG_DIRS": str(tmp_path / "xdg"), "HOME": str(tmp_path)}
    return {**system, **variables}


def write_pip_settings(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_variables_go_before_files_and_later_files_before_earlier(tmp_path: Path) -> None:
    write_pip_settings(tmp_path / "xdg/pip/pip.conf", "[global]\nindex-url = https://one/simple\n")
    user = tmp_path / ".config/pip/pip.conf"
    write_pip_settings(user, "[global]\nindex-url = https://two/simple\ncert = /ca.pem\n")
    found = index_settings(pip_environment(tmp_path))
    assert found.urls[0] == "https://two/simple"
    assert found.certificate == "/ca.pem"
    chosen = write_pip_settings(tmp_path / "own", "[install]\nindex-url = https://three/simple\n")
    variables = {"PIP_CONFIG_FILE": str(chosen)}
    assert index_settings(pip_environment(tmp_path, **variables)).urls[0] == "https://three/simple"
    variables["PIP_INDEX_URL"] = "https://four/simple"
    assert index_settings(pip_environment(tmp_path, **variables)).urls[0] == "https://four/simple"


def test_without_files_it_is_the_public_index(tmp_path: Path) -> None:
    found = index_settings(pip_environment(tmp_path, PIP_CONFIG_FILE=os.devnull))
    assert (found.urls, found.folders, found.certificate) == ((DEFAULT_INDEX,), (), None)


def test_more_indexes_and_folders(tmp_path: Path) -> None:
    found = index_settings(
        pip_environment(
            tmp_path,
            PIP_CONFIG_FILE=os.devnull,
            PIP_INDEX_URL="https://one",
            PIP_EXTRA_INDEX_URL="https://two file:///three",
            PIP_FIND_LINKS="/wheels file:///more https://page",
        )
    )
    assert found.urls == ("https://one", "https://two")
    assert found.folders == (Path("/wheels"), Path("/more"))


def test_no_index_means_none(tmp_path: Path) -> None:
    variables = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_INDEX_URL": "https://one"}
    assert index_settings(pip_environment(tmp_path, **variables)).urls == ()


def test_a_broken_pip_file_counts_as_empty(tmp_path: Path) -> None:
    chosen = write_pip_settings(tmp_path / "own", "index-url without a section")
    variables = {"PIP_CONFIG_FILE": str(chosen), "PIP_INDEX_URL": "https://one"}
    assert index_settings(pip_environment(tmp_path, **variables)).urls[0] == "https://one"


def test_credentials_are_not_shown() -> None:
    shown = without_credentials("https://name:secret@index.example:8443/simple?token=secret")
    assert shown == "https://index.example:8443/simple"


def test_flags_are_written_as_in_the_documentation() -> None:
    flags = {"agent_ping_timeout": "1secs", "--max-agent-ping-timeouts": "2"}
    assert flag_variables(flags) == {
        "MESOS_AGENT_PING_TIMEOUT": "1secs",
        "MESOS_MAX_AGENT_PING_TIMEOUTS": "2",
    }
    with pytest.raises(ValueError, match="of a Mesos flag"):
        flag_variables({"a=b": "c"})


def test_nodes_see_nothing_secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("APP_PASSWORD", "secret")
    monkeypatch.setenv("MESOS_ZK", "zk://elsewhere")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    master = master_environment(Address("127.0.0.1", 5050), tmp_path, {})
    agent = agent_environment(Address("127.0.0.1", 5051), tmp_path, tmp_path, SPEC, {})
    for environment in (master, agent):
        assert "secret" not in environment.values()
        assert "MESOS_ZK" not in environment
        assert environment["LC_ALL"] == "C.UTF-8"
        assert environment["LIBPROCESS_IP"] == "127.0.0.1"
    assert agent["MESOS_HOSTNAME"] == "agent1.local"
    assert agent["MESOS_SWITCH_USER"] == ("true" if os.geteuid() == 0 else "false")


def test_given_flags_go_before_ours_except_the_registry_of_an_agent(tmp_path: Path) -> None:
    address, flags = Address("127.0.0.1", 5050), {"registry": "x", "recover": "cleanup"}
    assert master_environment(address, tmp_path, flags)["MESOS_REGISTRY"] == "x"
    agent = agent_environment(address, tmp_path, tmp_path, SPEC, flags)
    assert (agent["MESOS_REGISTRY"], agent["MESOS_RECOVER"]) == ("in_memory", "cleanup")


def test_an_agent_without_resources_lets_mesos_look(tmp_path: Path) -> None:
    spec = AgentSpec("h", "", "")
    agent = agent_environment(Address("127.0.0.1", 1), tmp_path, tmp_path, spec, {})
    assert "MESOS_RESOURCES" not in agent
    assert "MESOS_DOMAIN" not in agent


def test_the_fault_domain_is_what_mesos_parses() -> None:
    assert domain_json(SPEC) == (
        '{"fault_domain": {"region": {"name": "europe"}, "zone": {"name": "europe-a"}}}'
    )


def test_master_info_in_protobuf() -> None:
    # Field by field after mesos.proto: id, ip (little-endian), port, pid, hostname, address.
    assert master_info("10.1.2.3", 5050) == (
        b"\x0a\x14master@10.1.2.3:5050"
        b"\x10\x8a\x82\x88\x18"
        b"\x18\xba\x27"
        b"\x22\x14master@10.1.2.3:5050"
        b"\x2a\x0810.1.2.3"
        b"\x3a\x17\x0a\x0810.1.2.3\x12\x0810.1.2.3\x18\xba\x27"
    )


def test_a_plan_is_kept_and_only_grows(tmp_path: Path) -> None:
    first = make_plan(tmp_path, agent_specs(2, resources="cpus:1"), "127.0.0.1", one_process=False)
    assert len({first.master_port, *first.agent_ports}) == 3
    first.save(tmp_path)
    more = make_plan(tmp_path, agent_specs(3, resources="cpus:1"), "127.0.0.1", one_process=False)
    assert more.master_port == first.master_port
    assert more.agent_ports[:2] == first.agent_ports
    assert len(set(more.agent_ports)) == 3


def test_a_plan_refuses_other_agents(tmp_path: Path) -> None:
    specs = agent_specs(2)
    make_plan(tmp_path, specs, "127.0.0.1", one_process=False).save(tmp_path)
    with pytest.raises(EngineError, match=r"agent 0 .* use a fresh folder"):
        make_plan(tmp_path, agent_specs(2, attributes="rack:x"), "127.0.0.1", one_process=False)
    with pytest.raises(EngineError, match="in a process of its own"):
        make_plan(tmp_path, specs, "127.0.0.1", one_process=True)


def test_a_damaged_plan_is_named(tmp_path: Path) -> None:
    (tmp_path / "cluster.json").write_text('{"host": 1}')
    with pytest.raises(EngineError, match=r"cluster\.json"):
        make_plan(tmp_path, agent_specs(1), "127.0.0.1", one_process=False)


def test_a_port_in_use_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert not is_free("127.0.0.1", server.getsockname()[1])
    port = free_port("127.0.0.1")
    assert 10_000 <= port < 16_000


def test_hosts_become_addresses() -> None:
    assert resolve("localhost") == "127.0.0.1"
    with pytest.raises(EngineError, match="not 0"):
        resolve("0.0.0.0")
    with pytest.raises(EngineError, match="no IPv4 address"):
        resolve("no such host")
