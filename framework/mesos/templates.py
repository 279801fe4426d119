"""TaskInfos of an app version's tasks from a template: only what varies is filled in.

A template is made by building one TaskInfo in which everything that varies (ids, host name,
ports, resources) is a marker, and cutting its JSON at the markers. So there is one set of rules,
in ``task_info``, and a launch costs a few joined bytes instead of a tree of objects. Markers are
drawn by chance for this process, so that no text of a user can hold one. Values of
secrets are filled in as well, and so never kept.
"""

import re
from collections import OrderedDict
from secrets import randbelow, token_hex

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from framework.domain.actions import Launch
from framework.interfaces import Secrets
from framework.mesos.executor import split
from framework.mesos.late import Late, late_values, wanted
from framework.mesos.secret_files import SecretFiles
from framework.mesos.task_info import taken_resources, task_info

MAX_TEMPLATES = 10_000
MAX_TEMPLATE_BYTES = 64 * 1024 * 1024
_PORT_MARKERS_BEGIN = 10**17  # 18 digits: they fit 64 bits, and no port looks like them

_encode = msgspec.json.encode


class TaskInfoBuilder:
    """Makes TaskInfos; keeps a bounded number of templates, those used last. Not for several
    threads at once."""

    def __init__(
        self,
        env_vars_prefix: str = "",
        bridge_name: str = "mesos-bridge",
        max_templates: int = MAX_TEMPLATES,
        max_bytes: int = MAX_TEMPLATE_BYTES,
        *,
        secrets: Secrets | None = None,
        secret_variables: bool = False,
        principal: str = "",
    ) -> None:
        self._prefix = env_vars_prefix
        self._bridge_name = bridge_name
        self._max_templates = max_templates
        self._max_bytes = max_bytes
        self._principal = principal
        self._secrets = secrets or SecretFiles()
        self._secret_variables = secret_variables
        self._templates: OrderedDict[tuple[str, str, bool], _Template] = OrderedDict()
        self._bytes = 0

    @property
    def templates(self) -> int:
        """How many are kept."""
        return len(self._templates)

    def build(self, launch: Launch) -> Raw:
        """The TaskInfo's JSON. ValueError if the launch contradicts its app (see ``task_info``), or
        if one of its secrets can not be had."""
        app = launch.app
        key = (app.id, app.version, launch.enforce_role)
        template = self._templates.get(key)
        # A version names one definition for ever, except before it is stamped.
        if template is None or not (template.app is app or template.app == app):
            late = wanted(app, secret_variables=self._secret_variables)
            template = _Template(launch, self._prefix, self._bridge_name, late)
            self._keep(key, template)
        else:
            self._templates.move_to_end(key)
        return template.fill(launch, self._secrets, self._principal)

    def _keep(self, key: tuple[str, str, bool], template: "_Template") -> None:
        if (old := self._templates.pop(key, None)) is not None:
            self._bytes -= old.size
        self._templates[key] = template
        self._bytes += template.size
        while len(self._templates) > self._max_templates or self._bytes > self._max_bytes:
            self._bytes -= self._templates.popitem(last=False)[1].size


class _Template:
    """The JSON of a TaskInfo in pieces; ``_slots`` says which piece is to be which value."""

    __slots__ = ("_late", "_pieces", "_port_counts", "_slots", "app", "size")

    def __init__(self, launch: Launch, env_vars_prefix: str, bridge_name: str, late: Late) -> None:
        self.app = launch.app
        self._late = late
        self._port_counts = (len(launch.host_ports), len(launch.effective_ports))
        host_ports, effective_ports = map(_port_markers, self._port_counts)
        task_id, agent_id, hostname, resources, executors = [_marker() for _ in range(5)]
        late = Late(*({name: _marker() for name in names} for names in late))
        marked = replace(
            launch,
            task_id=task_id,
            agent=replace(launch.agent, id=agent_id, hostname=hostname),
            host_ports=host_ports,
            effective_ports=effective_ports,
        )
        with_executor = executors if self.app.executor_needs else None
        info = task_info(marked, resources, env_vars_prefix, bridge_name, late, with_executor)
        whole = _encode(info)
        # In the order of the values in ``fill``; resources are no texts, so their quotes go.
        markers = [task_id, agent_id, hostname, f'"{resources}"', f'"{executors}"']
        markers += [marker for markers in late for marker in markers.values()]
        markers += map(str, host_ports + effective_ports)
        numbers = {marker.encode(): number for number, marker in enumerate(markers)}
        self._pieces = re.split(b"(" + b"|".join(numbers) + b")", whole)
        self._slots = tuple(
            (position, numbers[self._pieces[position]])
            for position in range(1, len(self._pieces), 2)
        )
        self.size = len(whole)

    def fill(self, launch: Launch, secrets: Secrets, principal: str) -> Raw:
        """The TaskInfo of a launch of this app."""
        if (len(launch.host_ports), len(launch.effective_ports)) != self._port_counts:
            raise ValueError(f"{launch.task_id} has other numbers of ports than its app's tasks")
        own, executors = split(launch)
        values = [
            _inside_quotes(launch.task_id),
            _inside_quotes(launch.agent.id),
            _inside_quotes(launch.agent.hostname),
            _encode(taken_resources(own, principal)),
            _encode(taken_resources(executors, principal)),
        ]
        if any(self._late):
            late = late_values(self._late, launch, secrets)
            values += [_inside_quotes(text) for texts in late for text in texts.values()]
        values += [b"%d" % port for port in launch.host_ports + launch.effective_ports]
        pieces = self._pieces.copy()
        for position, number in self._slots:
            pieces[position] = values[number]
        return Raw(b"".join(pieces))


def _marker() -> str:
    return f"marker-{token_hex(16)}"


def _inside_quotes(text: str) -> bytes:
    return _encode(text)[1:-1]


def _port_markers(count: int) -> tuple[int, ...]:
    """So many different numbers."""
    markers: set[int] = set()
    while len(markers) < count:
        markers.add(_PORT_MARKERS_BEGIN + randbelow(8 * _PORT_MARKERS_BEGIN))
    return tuple(markers)
