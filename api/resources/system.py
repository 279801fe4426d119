"""``/``, ``/ping``, ``/metrics``, ``/config``, ``/v2/info`` and ``/v2/leader``."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from flask import Response, redirect, request

from api.context import Context, Route, json_answer, preferred
from api.errors import NotFoundError, UnprocessableError
from api.exposition import SNAPSHOT_PATH, TEXT_PATH, TEXT_TYPE, snapshot, wants_text
from api.openapi.operation import PLAIN_TEXT, describes, text

MARATHON_VERSION = "1.11.0"
"""The release whose behaviour ``/v2`` has: clients decide by it what they may use."""

_NO_BACKUP = (
    "'{name}' is not for this call: use the command `stayer state {name}` on the store itself"
)
_CREDENTIALS = re.compile(r"//[^/\s]*@")
_MARATHON_SETTINGS = [
    "access_control_allow_origin",
    "checkpoint",
    "decline_offer_duration",
    "default_network_name",
    "env_vars_prefix",
    "executor",
    "failover_timeout",
    "framework_name",
    "ha",
    "hostname",
    "launch_token",
    "launch_token_refresh_interval",
    "local_port_max",
    "local_port_min",
    "master",
    "max_instances_per_offer",
    "mesos_bridge_name",
    "mesos_heartbeat_failure_threshold",
    "mesos_heartbeat_interval",
    "mesos_leader_ui_url",
    "mesos_role",
    "mesos_user",
    "new_group_enforce_role",
    "min_revive_offers_interval",
    "offer_matching_timeout",
    "on_elected_prepare_timeout",
    "reconciliation_initial_delay",
    "reconciliation_interval",
    "scale_apps_initial_delay",
    "scale_apps_interval",
    "store_cache",
    "task_launch_confirm_timeout",
    "task_launch_timeout",
    "task_lost_expunge_initial_delay",
    "task_lost_expunge_interval",
    "task_reservation_timeout",
    "webui_url",
    "maintenance_mode",
]
_RENAMED_SETTINGS = {
    "features": "enable_features",
    "leader_proxy_connection_timeout_ms": "leader_proxy_connection_timeout",
    "leader_proxy_read_timeout_ms": "leader_proxy_read_timeout",
}
_ZOOKEEPER_SETTINGS = [
    "zk",
    "zk_compression",
    "zk_compression_threshold",
    "zk_connection_timeout",
    "zk_max_node_size",
    "zk_max_versions",
    "zk_session_timeout",
    "zk_timeout",
]


class System:
    def __init__(self, context: Context) -> None:
        self._context = context

    def routes(self) -> Iterable[Route]:
        """The process itself."""
        return (
            Route("GET", "/", self.home),
            Route("GET", "/ping", self.ping),
            Route("GET", SNAPSHOT_PATH, self.metrics),
            Route("GET", TEXT_PATH, self.prometheus),
            Route("GET", "/config", self.config),
            Route("GET", "/v2/info", self.info),
            Route("GET", "/v2/leader", self.leader),
            Route("DELETE", "/v2/leader", self.abdicate),
        )

    @describes(answers={302: ("text/html",)})
    def home(self) -> Response:
        """Somewhere to begin for a person with a browser."""
        answer = redirect(f"{request.script_root}/v2/info", 302)
        assert isinstance(answer, Response)
        return answer

    @describes(PLAIN_TEXT, "text/html", "Word", answers={204: ()})
    def ping(self) -> Response:
        """Whether the API serves; in the form that the client accepts, else without a body."""
        if not request.headers.get("Accept"):
            return Response("pong", mimetype="text/plain")
        chosen = preferred("text/plain", "text/html", "application/json")
        if chosen is None:
            return Response(status=204)
        return Response('"pong"' if chosen == "application/json" else "pong", mimetype=chosen)

    @describes("Metrics", PLAIN_TEXT)
    def metrics(self) -> Response:
        """Marathon's snapshot of metrics, or Prometheus' text for those who ask for text."""
        if wants_text(request.headers.get("Accept", "")):
            return self.prometheus()
        return json_answer(snapshot(self._context.scheduler.metrics().decode()))

    @describes(PLAIN_TEXT)
    def prometheus(self) -> Response:
        """The metrics in Prometheus' text."""
        text = self._context.scheduler.metrics()
        return Response(text, content_type=TEXT_TYPE)

    @describes("Info")
    def info(self) -> Response:
        """What this process is and how it is set."""
        info, settings = self._context.scheduler.info(), self._context.settings
        framework = self._context.view.framework
        config = {name: _shown(settings.get(name)) for name in _MARATHON_SETTINGS}
        config["access_control_allow_origin"] = config["access_control_allow_origin"] or None
        for name, setting in _RENAMED_SETTINGS.items():
            config[name] = _shown(settings.get(setting))
        body: dict[str, Any] = {
            "name": "marathon",
            "version": MARATHON_VERSION,
            "buildref": f"stayer-{info.get('version') or 'unknown'}",
            "elected": bool(info.get("leader")),
            "leader": info.get("leader") or None,
            "frameworkId": (framework.framework_id if framework else "") or None,
            "marathon_config": config,
            "zookeeper_config": {name: _shown(settings.get(name)) for name in _ZOOKEEPER_SETTINGS},
            "http_config": {
                "http_port": settings.get("http_port", self._context.options.http_port),
                "https_port": settings.get("https_port"),
            },
        }
        return json_answer(body)

    @describes("Settings")
    def config(self) -> Response:
        """Every setting by its name, without credentials."""
        settings = self._context.settings
        return json_answer({name: _shown(settings[name]) for name in sorted(settings)})

    @describes("Leader", errors=(404,))
    def leader(self) -> Response:
        """The address of the process that decides."""
        leader = self._context.scheduler.info().get("leader")
        if not leader:
            raise NotFoundError("There is no leader")
        return json_answer({"leader": leader})

    @describes(
        "Message",
        query=(
            text("backup", "Refused: use `stayer state backup`."),
            text("restore", "Refused: use `stayer state restore`."),
        ),
    )
    def abdicate(self) -> Response:
        """Let another process lead. This one ends once the answer is out."""
        given = [name for name in ("backup", "restore") if name in request.args]
        if given:
            raise UnprocessableError(_NO_BACKUP.format(name=given[0]))
        response = json_answer({"message": "Leadership abdicated"})
        response.call_on_close(self._context.scheduler.abdicate)
        return response


def _shown(setting: object) -> object:
    """A setting without the credentials that a URL may carry; null for one that is empty."""
    if isinstance(setting, str):
        return _CREDENTIALS.sub("//", setting) or None
    if isinstance(setting, bool | int | float | None):
        return setting
    if isinstance(setting, Iterable) and not isinstance(setting, Mapping):
        return [_shown(item) for item in setting]
    return str(setting)
