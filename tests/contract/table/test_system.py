"""What clients ask about the process and what is not there (rest-api.md, sections 7 and 8), and in
which form they are answered."""

import logging
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from framework.domain.state import Kind
from tests.contract.cluster import V1
from tests.contract.table.rows import Row, check, name_of
from tests.polling import eventually
from tests.unit.api.recorder import Recorder

JSON_KIND = {"Content-Type": "application/json"}
NO_POD = {"message": "Pod '/dev/web' does not exist"}
NO_PLUGIN = {"message": "No plugin with this pluginId: mine"}
PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)


@pytest.mark.parametrize(
    "row",
    [
        Row("GET", "/v2/plugins", 200, {"plugins": []}, JSON_KIND),
        Row("GET", "/v2/plugins/mine/any/path", 404, NO_PLUGIN),
        Row("HEAD", "/v2/plugins/mine/any", 404, None, JSON_KIND),
        Row("PUT", "/v2/plugins/mine/any", 404, NO_PLUGIN, sent={}),
        Row("POST", "/v2/plugins/mine/any", 404, NO_PLUGIN, sent=b"no json"),
        Row("DELETE", "/v2/plugins/mine/any", 404, NO_PLUGIN),
        Row("GET", "/v2/plugins/mine", 404, {"message": "URI not found"}),
        Row("HEAD", "/v2/pods", 200, None, JSON_KIND),
        Row("GET", "/v2/pods", 200, [], JSON_KIND),
        Row("GET", "/v2/pods/", 200, [], JSON_KIND),
        Row("GET", "/v2/pods/::status", 200, [], JSON_KIND),
        Row("GET", "/v2/pods/dev/web", 404, NO_POD),
        Row("GET", "/v2/pods//dev/web::status", 404, NO_POD),
        Row("GET", "/v2/pods/dev/web::versions", 404, NO_POD),
        Row("GET", f"/v2/pods/dev/web::versions/{V1}", 404, NO_POD),
        Row("POST", "/v2/pods", 405, {"message": "Method Not Allowed"}, sent={"id": "/p"}),
        Row("GET", "/ping", 200, "pong", {"Content-Type": "text/plain; charset=utf-8"}),
        Row("GET", "/ping", 200, '"pong"', JSON_KIND, sending={"Accept": "application/json"}),
        Row(
            "GET",
            "/ping",
            200,
            '"pong"',
            sending={"Accept": "application/json;charset=utf-8, text/plain;q=0.9"},
        ),
        Row("GET", "/ping", 200, "pong", sending={"Accept": "text/plain; charset=utf-8"}),
        Row("GET", "/ping", 204, None, sending={"Accept": "image/*"}),
        Row("GET", "/metrics/prometheus", 200, "m 1\n", sending={"Accept": "application/json"}),
        Row("GET", "/metrics", 200, "m 1\n", sending={"Accept": PROMETHEUS}),
        Row("GET", "/metrics", 200, "m 1\n", sending={"Accept": "text/plain;version=0.0.4"}),
        Row(
            "GET", "/v2/tasks", 200, "batch\t \t\n", sending={"Accept": "text/plain;charset=utf-8"}
        ),
        Row("DELETE", "/v2/leader", 200, {"message": "Leadership abdicated"}, JSON_KIND),
    ],
    ids=name_of,
)
def test_answers(client: FlaskClient, scheduler: Recorder, row: Row) -> None:
    scheduler.hold(Kind.APP, "/dev/web", None)
    scheduler.exposition = b"m 1\n"
    check(client, row)
    assert scheduler.asked == []


def test_settings_without_credentials(client: FlaskClient, scheduler: Recorder) -> None:
    scheduler.facts["settings"] = {"zk": "zk://u:se@cret@h:1/x", "ha": True, "webui_url": ""}
    shown = {"ha": True, "webui_url": None, "zk": "zk://h:1/x"}
    check(client, Row("GET", "/config", 200, shown, JSON_KIND))
    info = client.get("/v2/info").get_json()
    assert info["marathon_config"]["webui_url"] is None
    assert info["marathon_config"]["access_control_allow_origin"] is None


class TestLogging:
    NAME = "stayer.contract.levels"

    @pytest.fixture(autouse=True)
    def unchanged(self) -> Iterator[None]:
        root = logging.getLogger().level
        yield
        logging.getLogger().setLevel(root)
        logging.getLogger(self.NAME).setLevel(logging.NOTSET)

    def level(self, client: FlaskClient, name: str = NAME) -> str:
        return str(client.get("/logging").get_json()[name])

    @pytest.mark.parametrize(
        ("level", "number"),
        [("trace", 5), ("debug", 10), ("info", 20), ("warn", 30), ("error", 40), ("INFO", 20)],
    )
    def test_a_level_is_set(self, client: FlaskClient, level: str, number: int) -> None:
        echo = {"level": level.lower(), "logger": self.NAME}
        sent = {"level": level, "logger": self.NAME}
        check(client, Row("POST", "/logging", 200, echo, JSON_KIND, sent=sent))
        assert logging.getLogger(self.NAME).level == number
        assert self.level(client) == level.upper()

    def test_others_inherit(self, client: FlaskClient) -> None:
        logging.getLogger(self.NAME)
        client.post("/logging", json={"level": "error", "logger": "ROOT"})
        levels = client.get("/logging").get_json()
        assert (levels["ROOT"], levels[self.NAME]) == ("ERROR", "ERROR (inherited)")

    def test_for_a_while(self, client: FlaskClient) -> None:
        client.post("/logging", json={"level": "info", "logger": self.NAME})
        sent = {"level": "debug", "logger": self.NAME, "durationSeconds": 1}
        check(client, Row("POST", "/logging", 200, sent, sent=sent))
        assert self.level(client) == "DEBUG"
        eventually(lambda: self.level(client) == "INFO", "the level from before")

    def test_a_later_change_stays(self, client: FlaskClient) -> None:
        """And goes back, if at all, to what was there before the first."""
        client.post("/logging", json={"level": "info", "logger": self.NAME})
        for level, seconds in (("debug", 1_000), ("error", 1)):
            change = {"level": level, "logger": self.NAME, "durationSeconds": seconds}
            client.post("/logging", json=change)
        eventually(lambda: self.level(client) == "INFO", "the level from before")

    @pytest.mark.parametrize(
        ("sent", "path", "error"),
        [
            ({"logger": "x"}, "/level", "error.path.missing"),
            ({"level": "debug"}, "/logger", "error.path.missing"),
            ({"level": "loud", "logger": "x"}, "/level", "error.unknown.enum.literal"),
            ({"level": "debug", "logger": ""}, "/logger", "error.minLength"),
            (
                {"level": "debug", "logger": "x", "durationSeconds": 0},
                "/durationSeconds",
                "error.min",
            ),
            ([], "/", "error.expected.jsobject"),
        ],
    )
    def test_refusals(self, client: FlaskClient, sent: object, path: str, error: str) -> None:
        body = {"message": "Invalid JSON", "details": [{"path": path, "errors": [error]}]}
        check(client, Row("POST", "/logging", 422, body, sent=sent))

    def test_not_any_number_of_names(self, client: FlaskClient) -> None:
        known = logging.getLogger().manager.loggerDict
        before = dict(known)
        try:
            for number in range(1_000):
                client.post("/logging", json={"level": "info", "logger": f"many-{number}"})
            sent = {"level": "info", "logger": "one-more"}
            assert client.post("/logging", json=sent).status_code == 422
            assert "one-more" not in known
            assert client.post("/logging", json={**sent, "logger": "many-0"}).status_code == 200
        finally:
            for name in known.keys() - before.keys():
                del known[name]
