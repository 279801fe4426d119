"""The flags that every command of an edge node has, by what they are about.

What they mean together is in ``node_options``; here is only how they are called and explained.
"""

import os
from pathlib import Path

import click

from cli.connection import access_options
from cli.haproxy import clusters
from haproxy_bridge.guard import Panic
from haproxy_bridge.run.options import DEFAULT_CONFIG, DEFAULT_STATE
from haproxy_bridge.source import Kind

_TIMEOUT_SECONDS = 10.0
_file = click.Path(exists=True, dir_okay=False, path_type=Path)
_folder = click.Path(exists=True, file_okay=False, path_type=Path)
_share = click.FloatRange(0, 1)

_SOURCE = (
    click.option(
        "--source",
        type=click.Choice([kind.value for kind in Kind]),
        default=Kind.AUTO.value,
        show_default=True,
        help="What answers: auto finds out; text reads the text of /v2/tasks, which has no labels.",
    ),
    click.option("--any-check", is_flag=True, help="One passed health check is enough (Marathon)."),
    click.option(
        "--request-timeout",
        type=click.FloatRange(min=0.1, max=600),
        default=_TIMEOUT_SECONDS,
        show_default=True,
        metavar="SECONDS",
        help="How long to wait for an answer before the next URL is asked.",
    ),
    *access_options,
)
_SERVICES = (
    click.option(
        "--group",
        "groups",
        multiple=True,
        metavar="NAME",
        help="Serve apps with this in HAPROXY_GROUP; repeatable, * for all. Without it those that "
        "have no group.",
    ),
    click.option(
        "--selector",
        default="",
        metavar="LABELS",
        help="Serve only apps with such labels: `tier=web, env!=dev, zone in (a, b), public`.",
    ),
    click.option("--strict", is_flag=True, help="Serve only ports with HAPROXY_n_ENABLED=true."),
    click.option(
        "--policy",
        "policy_file",
        type=_file,
        metavar="FILE",
        help="JSON: which apps may have which hosts, ports and raw templates.",
    ),
    click.option(
        "--allow-raw-templates",
        is_flag=True,
        help="Let labels of any app hold directives of haproxy: whoever submits apps commands it.",
    ),
    click.option(
        "--auth-file",
        "auth_files",
        multiple=True,
        type=_file,
        metavar="FILE",
        help="Users for HAPROXY_n_AUTH_LIST, NAME:CRYPTED a line as of htpasswd; [LIST] begins a "
        "list, else it has the file's name without its end; repeatable.",
    ),
    click.option(
        "--ports-per-task",
        default="10050-10100",
        show_default=True,
        metavar="LOW-HIGH",
        help="Service ports for apps of Marathon whose tasks have addresses of their own and that "
        "have none; empty for none.",
    ),
    click.option("--own-app-id", default="", metavar="ID", help="The app this runs as: left out."),
)
_FILE = (
    click.option(
        "--config",
        default=DEFAULT_CONFIG,
        show_default=True,
        metavar="PATH",
        help="haproxy's configuration.",
    ),
    click.option(
        "--http-bind", default="*:80", show_default=True, help="Virtual hosts; empty for none."
    ),
    click.option(
        "--https-bind", default="*:443", show_default=True, help="The same by TLS; empty for none."
    ),
    click.option(
        "--ssl-certs",
        "certificates",
        multiple=True,
        metavar="PATH",
        help="A certificate with its key, or a folder of them; repeatable. Without any no https.",
    ),
    click.option(
        "--appid-bind",
        default="127.0.0.1:9091",
        show_default=True,
        help="Requests by X-Marathon-App-Id; empty for none.",
    ),
    click.option(
        "--stats-bind",
        default="127.0.0.1:9090",
        show_default=True,
        help="Statistics, /metrics and health of haproxy; empty for none.",
    ),
    click.option(
        "--stats-credentials-file",
        type=_file,
        metavar="FILE",
        help="A file with USER:PASSWORD for the statistics.",
    ),
    click.option(
        "--metrics-bind",
        default="127.0.0.1:9101",
        show_default=True,
        metavar="HOST:PORT",
        help="Metrics, status and marathon-lb's pages of the daemon (watch), those also at "
        "--stats-bind; empty for none.",
    ),
    click.option(
        "--metrics-credentials-file",
        type=_file,
        metavar="FILE",
        help="A file with USER:PASSWORD for these pages, all but metrics and health. Without it "
        "they are shown on loopback only.",
    ),
    click.option(
        "--socket",
        default="/run/haproxy/admin.sock",
        show_default=True,
        metavar="PATH",
        help="haproxy's admin socket: servers come and go through it without a reload.",
    ),
    click.option(
        "--haproxy-user", default="", metavar="NAME", help="Whom haproxy becomes; empty to stay."
    ),
    click.option("--haproxy-group", default="", metavar="NAME", help="The group it becomes."),
    click.option(
        "--log",
        default="/dev/log local0",
        show_default=True,
        help="Where haproxy logs to; empty for nowhere.",
    ),
    click.option(
        "--json-log", is_flag=True, help="Log lines are JSON, with app, task and version."
    ),
    click.option(
        "--trusted-proxy",
        "trusted_proxies",
        multiple=True,
        metavar="NETWORK",
        help="In front of this node: the last address in its X-Forwarded-For that is none of them "
        "is the client; repeatable. That header of everybody else is removed then.",
    ),
    click.option(
        "--accept-proxy",
        is_flag=True,
        help="All clients of virtual hosts come through one that speaks the PROXY protocol.",
    ),
    click.option(
        "--strict-sni", is_flag=True, help="End TLS only for names that a certificate is for."
    ),
    click.option(
        "--acme",
        default="",
        metavar="HOST:PORT",
        help="Who answers /.well-known/acme-challenge/ of all virtual hosts (http).",
    ),
    click.option(
        "--error-page",
        "error_page_file",
        type=_file,
        metavar="FILE",
        help="HTML for apps that do not answer, unless they have a page of their own.",
    ),
    click.option(
        "--max-worker-reloads",
        type=click.IntRange(0),
        default=50,
        show_default=True,
        help="An old worker of haproxy ends after so many more reloads; 0 for when it likes.",
    ),
    click.option("--maxconn", type=click.IntRange(0), default=0, help="Connections at once."),
    click.option(
        "--cookie-key-file",
        type=_file,
        metavar="FILE",
        help="A secret for sticky sessions; the same on all nodes, so that they agree.",
    ),
    click.option(
        "--templates",
        "templates_dir",
        type=_folder,
        metavar="DIR",
        help="Files HAPROXY_<NAME> that replace pieces of the configuration, as environment "
        "variables of these names do.",
    ),
    click.option(
        "--include",
        "include_dir",
        type=_folder,
        metavar="DIR",
        help="Its *.cfg files are added to the configuration.",
    ),
)
_RUN = (
    click.option(
        "--edge-name",
        default=lambda: os.uname().nodename,
        show_default="the host's name",
        metavar="NAME",
        help="Under which Stayer knows this edge (once, watch); empty for not at all.",
    ),
    click.option(
        "--state",
        default=DEFAULT_STATE,
        show_default=True,
        metavar="PATH",
        help="What is remembered from run to run; the lock lies beside it.",
    ),
    click.option(
        "--master-socket",
        default="",
        metavar="PATH",
        help="haproxy's master socket: reloads go through it, and tell whether they went well.",
    ),
    click.option(
        "--reload-command",
        default="systemctl reload haproxy",
        show_default=True,
        metavar="COMMAND",
        help="How to reload without a master socket; empty for not at all.",
    ),
    click.option(
        "--probe-url",
        default="",
        metavar="URL",
        help="What has to answer after a reload. [default: health at --stats-bind on loopback; "
        "none for no look]",
    ),
    click.option(
        "--haproxy", default="haproxy", show_default=True, help="The program that checks the file."
    ),
    click.option("--no-validate", is_flag=True, help="Do not ask haproxy whether it is good."),
    click.option(
        "--lock-timeout",
        type=click.FloatRange(min=0),
        default=0.0,
        show_default=True,
        metavar="SECONDS",
        help="How long to wait for another run.",
    ),
    click.option(
        "--max-drop",
        type=_share,
        default=0.5,
        show_default=True,
        help="The share of servers that may go at once without a reason.",
    ),
    click.option(
        "--hold-runs",
        type=click.IntRange(1),
        default=3,
        show_default=True,
        help="How often such an answer has to come before it is believed,",
    ),
    click.option(
        "--hold-seconds",
        type=click.FloatRange(min=0),
        default=120.0,
        show_default=True,
        help="and over which time.",
    ),
    click.option(
        "--panic",
        type=click.Choice([one.value for one in Panic]),
        default=Panic.KEEP_LAST.value,
        show_default=True,
        help="Who serves an app of which no task is healthy.",
    ),
    click.option(
        "--healthy-share",
        type=_share,
        default=0.0,
        show_default=True,
        help="Below this share of healthy tasks, the others serve too.",
    ),
    click.option(
        "--min-uptime",
        type=click.FloatRange(min=0),
        default=0.0,
        show_default=True,
        metavar="SECONDS",
        help="How long a task without health check runs before it serves.",
    ),
)

FLAGS = (*_SOURCE, *clusters.options, *_SERVICES, *_FILE, *_RUN)
"""All of them, in the order of the help."""
