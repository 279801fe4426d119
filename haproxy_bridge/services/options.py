"""What the operator of an edge node decides: which apps it serves, and what their labels may do.

Whoever may submit an app writes its labels. So a node takes what is harmless from anybody, and raw
haproxy directives, hosts or ports only from apps that its operator lets have them.
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import lru_cache

from msgspec import Struct

from api.selectors import Selector, parse_selector

EVERY_GROUP = "*"

Users = tuple[tuple[str, str], ...]
"""Names with crypted passwords."""


class Rule(Struct, frozen=True, forbid_unknown_fields=True):
    """What apps with an id that matches ``apps`` (a shell pattern) may do. None: as without the
    rule. ``vhosts``: host names or patterns (``*.team.example``) that are theirs alone to use;
    ``ports``: service ports, as ``10000`` or ``10000-10100``; ``templates``: raw directives in
    template labels; ``labels``: names or patterns of labels of their ports (``VHOST``,
    ``HTTP_BACKEND_*``), without which these may have none."""

    apps: str
    vhosts: tuple[str, ...] | None = None
    ports: tuple[str, ...] | None = None
    templates: bool | None = None
    labels: tuple[str, ...] | None = None


class Policy(Struct, frozen=True, forbid_unknown_fields=True):
    """The rules, the first that matches an app counts; without one, ``templates`` does."""

    rules: tuple[Rule, ...] = ()
    templates: bool = False

    def rule(self, app_id: str) -> Rule:
        """What the app may do."""
        for rule in self.rules:
            if fnmatchcase(app_id, rule.apps):
                return rule
        return Rule(app_id)

    def party(self, app_id: str) -> str:
        """The rule that is about the app, by its pattern; "" for all that no rule is about."""
        return next((rule.apps for rule in self.rules if fnmatchcase(app_id, rule.apps)), "")

    def allows_templates(self, app_id: str) -> bool:
        """Whether its labels may hold directives of haproxy."""
        allowed = self.rule(app_id).templates
        return self.templates if allowed is None else allowed

    def allows_label(self, app_id: str, name: str) -> bool:
        """Whether its ports may have the label, whose name is without HAPROXY_n_."""
        own = self.rule(app_id).labels
        return own is None or any(fnmatchcase(name, pattern) for pattern in own)

    def forbidden_host(self, app_id: str, host: str) -> str:
        """Why the app may not serve the host; "" if it may."""
        own = self.rule(app_id).vhosts
        if own is not None and not any(fnmatchcase(host, pattern) for pattern in own):
            return f"{host} is not among the hosts of {app_id} ({', '.join(own) or 'none'})"
        for rule in self.rules:
            theirs = rule.vhosts or ()
            if own is None and any(fnmatchcase(host, pattern) for pattern in theirs):
                return f"{host} belongs to {rule.apps}"
        return ""

    def forbidden_port(self, app_id: str, port: int) -> str:
        """Why the app may not listen on the port; "" if it may."""
        own = self.rule(app_id).ports
        if own is None or any(_within(port, text) for text in own):
            return ""
        return f"port {port} is not among those of {app_id} ({', '.join(own) or 'none'})"


def _within(port: int, text: str) -> bool:
    first, _, last = text.partition("-")
    if not first.strip().isdecimal() or (last and not last.strip().isdecimal()):
        return False
    return int(first) <= port <= int(last or first)


class ServiceOptions(Struct, frozen=True, kw_only=True):
    """``groups``: labels HAPROXY_GROUP that this node serves; none: apps without a group; ``*``:
    all apps. ``strict``: only ports with HAPROXY_n_ENABLED. ``reserved_ports``: those that
    haproxy itself or somebody else on the node uses. ``own_app_id``: the app that this bridge
    runs as, which is left out. ``selector``: only apps whose labels it selects, "" for all (as of
    Marathon's ``label=``). ``users``: lists of users with crypted passwords that labels may name.
    ``ports_per_task``: the first and the last service port for ports that tasks have on addresses
    of their own and that have none; 0 for no such ports."""

    groups: tuple[str, ...] = ()
    strict: bool = False
    reserved_ports: frozenset[int] = frozenset({9090, 9091})
    own_app_id: str = ""
    policy: Policy = Policy()
    selector: str = ""
    users: dict[str, Users] = {}
    ports_per_task: tuple[int, int] = (0, 0)

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether an app with these labels is for this node. SelectorError."""
        return not self.selector or _selector(self.selector)(labels)

    def serves(self, groups: tuple[str, ...]) -> bool:
        """Whether an app in these groups is for this node."""
        if EVERY_GROUP in self.groups or EVERY_GROUP in groups:
            return True
        if not self.groups:
            return not groups
        return any(group in self.groups for group in groups)


@lru_cache(16)
def _selector(text: str) -> Selector:
    return parse_selector(text, single_equals=True)
