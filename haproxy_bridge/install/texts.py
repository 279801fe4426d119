"""The files that a node gets: units, lines of cron, and the arguments that both start us with."""

import re
import shlex
from collections.abc import Sequence

from haproxy_bridge.exits import Exit
from haproxy_bridge.install.plan import MARK, File

ARGUMENTS = "/etc/stayer-haproxy/args"
CRON = "/etc/cron.d/stayer-haproxy"
UNIT = "/etc/systemd/system/stayer-haproxy.service"
DROP_IN = "/etc/systemd/system/haproxy.service.d/stayer.conf"
MASTER_SOCKET = "/run/haproxy-master.sock"
LEGACY_ARGUMENTS = "/etc/haproxy-marathon-bridge/marathons"
LEGACY_CRON = "/etc/cron.d/haproxy-marathon-bridge"
LEGACY_PROGRAM = "/usr/local/bin/haproxy-marathon-bridge"

_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PLAIN = re.compile(r"[A-Za-z0-9/._+-]+")
_PLACE = re.compile(r"[A-Za-z0-9/:._+-]+")
_BY = f"{MARK}stayer haproxy install`"
_BY_LEGACY = f"{MARK}haproxy-marathon-bridge install_cronjob`"


class BadProgramError(ValueError):
    """A path that cron or systemd would read as something else."""


def _plain(words: Sequence[str], allowed: re.Pattern[str] = _PLAIN) -> str:
    for word in words:
        if not allowed.fullmatch(word):
            raise BadProgramError(f"neither cron nor systemd start this as it stands: {word!r}")
    return " ".join(words)


def arguments(words: Sequence[str]) -> File:
    """The arguments of ``once`` and ``watch``, one a line."""
    lines = "".join(f"{shlex.quote(word)}\n" for word in words)
    return File(
        ARGUMENTS,
        f"{_BY}: the arguments that the bridge is started with.\n"
        "# Read as a shell reads words, # comments included, but nothing is expanded.\n" + lines,
        0o640,
    )


def cron(program: Sequence[str]) -> File:
    """A run each minute; it locks itself, and says something only if there is something new."""
    line = f"* * * * * root {_plain(program)} once @{ARGUMENTS}"
    return File(CRON, f"{_BY}; the bridge of this edge node.\n{_PATH}\n{line}\n")


def unit(program: Sequence[str]) -> File:
    """The daemon. Whoever writes haproxy's configuration commands its master, which is root, so a
    user of its own would guard nothing; instead root is left with next to no rights."""
    return File(UNIT, f"{_BY}.\n{_unit_of(program)}")


def _unit_of(program: Sequence[str]) -> str:
    return _UNIT.format(program=_plain(program), arguments=ARGUMENTS, usage=int(Exit.USAGE))


_UNIT = """[Unit]
Description=Stayer's haproxy bridge: traffic follows the apps
After=network-online.target haproxy.service
Wants=network-online.target haproxy.service
# However often it ends: haproxy serves on, and it is to follow again once it can.
StartLimitIntervalSec=0

[Service]
ExecStart={program} watch @{arguments}
ExecReload=/bin/kill -HUP $MAINPID
Restart=always
RestartSec=2
# A wrong command line does not become right.
RestartPreventExitStatus={usage}
StateDirectory=stayer-haproxy
StateDirectoryMode=0750
UMask=0077
# It reads certificates and gives files to haproxy's group; it can do nothing else as root.
CapabilityBoundingSet=CAP_CHOWN CAP_DAC_READ_SEARCH
NoNewPrivileges=yes
ProtectSystem=strict
ReadWritePaths=/etc/haproxy
ProtectHome=read-only
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
LockPersonality=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
MemoryMax=1G
TasksMax=128

[Install]
WantedBy=multi-user.target
"""


def drop_in() -> File:
    """haproxy's own unit with the master's socket, as Debian has it; only root may use it."""
    return File(
        DROP_IN,
        f"{_BY}: reloads go through the master's socket.\n"
        "[Service]\n"
        f'Environment="EXTRAOPTS=-S {MASTER_SOCKET},mode,600"\n',
    )


def legacy_cronjob() -> str:
    """The line of 2014."""
    return (
        f"* * * * * root {LEGACY_PROGRAM} logged refresh_system_haproxy $(cat {LEGACY_ARGUMENTS})\n"
    )


def legacy(urls: Sequence[str], program: str) -> tuple[File, ...]:
    """What ``install_cronjob`` leaves. ``program`` is what is started; it may lie at the place of
    2014 already."""
    found = [
        File(LEGACY_ARGUMENTS, "".join(f"{_plain([url], _PLACE)}\n" for url in urls)),
        File(LEGACY_CRON, f"{_BY_LEGACY}.\n{_PATH}\n{legacy_cronjob()}"),
    ]
    if program != LEGACY_PROGRAM:
        script = f'#!/bin/sh\n{_BY_LEGACY}.\nexec {_plain([program])} "$@"\n'
        found.insert(1, File(LEGACY_PROGRAM, script, 0o755))
    return tuple(found)
