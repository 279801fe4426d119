"""A whole cluster of genuine Mesos on this machine: one master and any number of agents.

Normally each is a process of its own, so a test (or an accident) can kill, stop or bring back one
agent; for hundreds of agents all can share one process. Nothing is left running after `stop`,
and with the same state folder the same cluster comes back: ids, ports and running executors.
"""

import fcntl
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from localmesos.apache import nodes
from localmesos.apache.cache import mesos_library
from localmesos.apache.child import Child
from localmesos.apache.errors import EngineError
from localmesos.apache.flags import Address, domain_json, flag_variables
from localmesos.apache.host import check_host
from localmesos.apache.leftovers import end_tasks, tasks_of
from localmesos.apache.master_client import agent_is_registered, registered_agents
from localmesos.apache.plan import Plan, make_plan
from localmesos.apache.ports import free_port, is_free
from localmesos.apache.release import Progress
from localmesos.apache.supervisor import Supervisor
from localmesos.cluster import AgentSpec

_POLL_SECONDS = 0.05
_PORT_TRIES = 5
_PORT_WAIT_SECONDS = 2.0
_CLASH = "Address already in use"
_MASTER = "master"


class ApacheEngine:
    """Apache Mesos 1.11.0 with one agent for each of `specs`.

    `port` is the master's, 0 picks a free one. `flags` are flags of Mesos by name, for master and
    agents alike. `supervise` brings back nodes that end unasked. All methods may raise
    EngineError; agents are numbered from 0.
    """

    def __init__(
        self,
        specs: Sequence[AgentSpec],
        *,
        state_dir: Path,
        port: int = 0,
        host: str = "127.0.0.1",
        flags: Mapping[str, str] | None = None,
        single_process: bool = False,
        supervise: bool = False,
        start_timeout_seconds: float = 60.0,
        task_grace_seconds: float = 1.0,
        on_progress: Progress = lambda _done, _total: None,
        on_step: Callable[[str], None] = lambda _text: None,
    ) -> None:
        if not specs:
            raise ValueError("a cluster has at least one agent")
        self._flags = dict(flags or {})
        flag_variables(self._flags)  # refuses wrong names now
        self._specs = tuple(specs)
        self._state = state_dir
        self._port = port
        self._host = host
        self._one_process = single_process
        self._start_timeout_seconds = start_timeout_seconds
        self._task_grace_seconds = task_grace_seconds
        self._on_progress = on_progress
        self._on_step = on_step
        self._lock = threading.RLock()
        self._claim: IO[str] | None = None
        self._plan: Plan | None = None
        self._library = Path()
        self._children: dict[str, Child] = {}
        self._wanted: set[str] = set()
        self._ids: dict[int, str] = {}
        self._supervise = supervise
        self._supervisor: Supervisor | None = None
        self._stopping = threading.Event()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Of the master: "http://127.0.0.1:5050"."""
        return f"http://{self._master_address()}"

    @property
    def master_pid(self) -> int:
        """The process of the master; raises ProcessLookupError while there is none."""
        return self._children[_MASTER].pid

    def agent_pid(self, index: int) -> int:
        """The process of an agent; raises ProcessLookupError while there is none."""
        return self._agent(index).pid

    def agent_ids(self) -> tuple[str, ...]:
        """The Mesos ids in the order of the agents, as they were when each last registered."""
        return tuple(self._ids[index] for index in range(len(self._specs)))

    def start(self) -> None:
        """Boot everything; returns when all agents are registered, or stops all and raises."""
        check_host()
        self._stopping.clear()
        self._library = mesos_library(on_progress=self._on_progress)
        try:
            with self._lock:
                self._claim_state()
                self._plan = self._make_plan()
                self._on_step("Booting the Mesos master")
                self._boot_master()
                agents = range(len(self._specs))
                if not self._one_process:
                    self._on_step(f"Booting {len(agents)} Mesos agents")
                    for index in agents:
                        self._boot_agent(index)
                self._await_agents(agents)
        except BaseException:
            self.stop()
            raise
        if self._supervise:
            self._supervisor = Supervisor(self._watched, self._bring_back)
            self._supervisor.start()

    def stop(self) -> None:
        """End all nodes, executors and tasks. Raises EngineError if something cannot be ended."""
        self._stopping.set()
        if self._supervisor is not None:
            self._supervisor.stop()
            self._supervisor = None
        with self._lock:
            self._wanted.clear()
            pids = [pid for child in self._children.values() if (pid := child.running_pid)]
            if not pids and self._claim is None:
                return
            tasks = tasks_of(self._state, pids)
            for child in self._children.values():
                child.end(signal.SIGKILL)
            left = end_tasks(self._state, tasks, self._task_grace_seconds)
            if self._claim is not None:
                self._claim.close()
                self._claim = None
        if left:
            raise EngineError(f"cannot end the processes {sorted(task.pid for task in left)}")

    def kill_agent(self, index: int, number: int = signal.SIGKILL) -> None:
        """End an agent by a signal; its executors and tasks live on for its return."""
        with self._lock:
            self._wanted.discard(_name(index))
            self._agent(index).end(number)

    def stop_agent(self, index: int) -> None:
        """End an agent as an init system would (SIGTERM); its executors and tasks live on."""
        self.kill_agent(index, signal.SIGTERM)

    def start_agent(self, index: int, *, fresh: bool = False) -> None:
        """Bring an agent back: same identity and port, its executors recovered.

        With `fresh` it registers as a new agent, as it must after it was marked gone.
        """
        with self._lock:
            child = self._agent(index)
            if child.is_running():
                raise EngineError(f"agent {index} runs already")
            if fresh:
                nodes.forget_identity(self._agent_folder(index))
            self._boot_agent(index)
            self._await_agents([index])

    def pause_agent(self, index: int) -> None:
        """Stop the process of an agent where it is (SIGSTOP), as a hanging machine would."""
        self._agent(index).send_signal(signal.SIGSTOP)

    def resume_agent(self, index: int) -> None:
        self._agent(index).send_signal(signal.SIGCONT)

    def pause_master(self) -> None:
        """Stop the process of the master where it is (SIGSTOP)."""
        self._children[_MASTER].send_signal(signal.SIGSTOP)

    def resume_master(self) -> None:
        self._children[_MASTER].send_signal(signal.SIGCONT)

    def stop_master(self, number: int = signal.SIGKILL) -> None:
        """End the master (in one process: all agents too); tasks live on."""
        with self._lock:
            self._wanted.discard(_MASTER)
            self._children[_MASTER].end(number)

    def start_master(self) -> None:
        """Bring the master back at its port; returns when the running agents are registered."""
        with self._lock:
            self._boot_master()
            running = self._appoint()
            self._await_agents(running)

    def restart_master(self, number: int = signal.SIGKILL) -> None:
        """End the master by a signal and bring it back."""
        self.stop_master(number)
        self.start_master()

    # What follows is the booting itself.

    def _claim_state(self) -> None:
        self._state.mkdir(parents=True, exist_ok=True)
        claim = (self._state / "lock").open("w")
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            claim.close()
            raise EngineError(f"another cluster is running on {self._state}") from error
        self._claim = claim

    def _make_plan(self) -> Plan:
        host = nodes.resolve(self._host)
        plan = make_plan(self._state, self._specs, host, one_process=self._one_process)
        plan = replace(plan, host=host, master_port=self._port or plan.master_port)
        plan.save(self._state)
        return plan

    def _boot_master(self) -> None:
        """Start the master until it answers; at another port if its own is taken."""
        assert self._plan is not None
        deadline = time.monotonic() + self._start_timeout_seconds
        self._await_free_port(self._plan.master_port)
        for _ in range(_PORT_TRIES):
            child = self._launch(_MASTER, self._master_child())
            while child.is_running():
                if registered_agents(self._master_address()) is not None:
                    return
                self._check(deadline, child, "does not answer")
            if self._port or _CLASH not in child.log_tail():
                break
            self._change_plan(replace(self._plan, master_port=free_port(self._plan.host)))
        raise _failure(child, f"ended while booting at {self._master_address()}")

    def _boot_agent(self, index: int) -> None:
        assert self._plan is not None
        self._await_free_port(self._plan.agent_ports[index])
        child = nodes.agent(
            self._library,
            self._agent_address(index),
            self._agent_folder(index),
            self._specs[index],
            master=self._master_address(),
            flags=self._flags,
        )
        self._launch(_name(index), child)

    def _launch(self, name: str, child: Child) -> Child:
        """Start a child in the place of an ended one."""
        if name in self._children:
            self._children[name].close()
        self._children[name] = child
        self._wanted.add(name)
        child.start()
        return child

    def _await_agents(self, indexes: Sequence[int]) -> None:
        """Wait until these agents are registered; moves those whose port was taken."""
        deadline = time.monotonic() + self._start_timeout_seconds
        waiting, moves = list(indexes), 0
        while waiting:
            for index in waiting if not self._one_process else []:
                child = self._agent(index)
                if child.is_running():
                    continue
                moves += 1
                if _CLASH not in child.log_tail() or moves > _PORT_TRIES:
                    raise _failure(child, f"(number {index}) ended while booting")
                self._move_agent(index)
            self._note_registered(waiting)
            if waiting:
                self._check(deadline, self._children[_MASTER], f"lacks the agents {waiting}")

    def _note_registered(self, waiting: list[int]) -> None:
        """Take the agents that are registered by now off `waiting`, and keep their ids."""
        known = {each.process: each for each in registered_agents(self._master_address()) or ()}
        for index in tuple(waiting):
            agent = known.get(self._process_name(index))
            if agent is not None and (
                # The master may not know yet that an agent's earlier process has ended.
                self._one_process or agent_is_registered(self._agent_address(index))
            ):
                self._ids[index] = agent.agent_id
                waiting.remove(index)

    def _move_agent(self, index: int) -> None:
        assert self._plan is not None
        port = free_port(self._plan.host)
        self._change_plan(self._plan.with_agent_port(index, port))
        self._boot_agent(index)

    def _check(self, deadline: float, child: Child, what: str) -> None:
        """Wait a moment; raise when the time is over or the child has ended."""
        if not child.is_running():
            raise _failure(child, "ended while booting")
        if time.monotonic() > deadline:
            raise _failure(child, f"{what} after {self._start_timeout_seconds:g} s")
        if self._stopping.wait(_POLL_SECONDS):
            raise EngineError("the cluster was stopped while it booted")

    def _await_free_port(self, port: int) -> None:
        """Nodes of a starter that was killed may need a moment to end. Not an error if not."""
        assert self._plan is not None
        deadline = time.monotonic() + _PORT_WAIT_SECONDS
        while not is_free(self._plan.host, port) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)

    def _change_plan(self, plan: Plan) -> None:
        plan.save(self._state)
        self._plan = plan

    def _master_child(self) -> Child:
        address, folder = self._master_address(), self._state / "master"
        if self._one_process:
            return nodes.cluster(self._library, address, folder, self._specs, flags=self._flags)
        # Mesos refuses agents with a fault domain at a master without one.
        domain = next((each for each in map(domain_json, self._specs) if each), None)
        return nodes.master(self._library, address, folder, flags=self._flags, domain=domain)

    def _agent(self, index: int) -> Child:
        if self._one_process:
            raise EngineError("the agents share one process; none can be steered alone")
        if not 0 <= index < len(self._specs):
            raise EngineError(f"there is no agent {index}, only 0 to {len(self._specs) - 1}")
        return self._children[_name(index)]

    def _agent_folder(self, index: int) -> Path:
        return self._state / f"agent-{index}"

    def _master_address(self) -> Address:
        if self._plan is None:
            raise EngineError("the cluster was not started")
        return Address(self._plan.host, self._plan.master_port)

    def _agent_address(self, index: int) -> Address:
        assert self._plan is not None
        return Address(self._plan.host, self._plan.agent_ports[index])

    def _process_name(self, index: int) -> str:
        """How libprocess calls the agent."""
        if self._one_process:
            return f"slave({index + 1})@{self._master_address()}"
        return f"slave(1)@{self._agent_address(index)}"

    def _appoint(self) -> list[int]:
        """Point the running agents to the master again; answers their numbers."""
        if self._one_process:
            return list(range(len(self._specs)))
        running = [i for i in range(len(self._specs)) if self._agent(i).is_running()]
        for index in running:
            self._agent(index).appoint()
        return running

    def _watched(self) -> Mapping[str, Child]:
        with self._lock:
            return {name: self._children[name] for name in self._wanted}

    def _bring_back(self, name: str) -> None:
        """Restart a node for the supervisor, without waiting for agents to register."""
        with self._lock:
            if name not in self._wanted or self._children[name].is_running():
                return
            if name == _MASTER:
                self._boot_master()
                self._appoint()
            else:
                self._boot_agent(int(name.removeprefix(_name(""))))


def _name(index: int | str) -> str:
    return f"agent-{index}"


def _failure(child: Child, what: str) -> EngineError:
    return EngineError(f"{child.name} {what}; the end of {child.log}:\n{child.log_tail()}")
