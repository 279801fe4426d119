"""Services to bytes: what is in the file, what counts as its structure, what can not get in."""

from msgspec.structs import replace

from haproxy_bridge.render import RenderOptions, render
from haproxy_bridge.rendered import Rendered, digest
from haproxy_bridge.runtime.plan import Plan, differences, plan
from haproxy_bridge.runtime.state import Running
from haproxy_bridge.services import Policy, ServiceOptions, build
from haproxy_bridge.snapshot import App, Check, CheckKind
from tests.unit.haproxy_bridge.made import app, checked, snapshot, task

OBSERVED = "observe layer4 error-limit 3 on-error mark-down"
OPTIONS = RenderOptions(log="", certificates=("/etc/ssl/all.pem",))
RAW = ServiceOptions(policy=Policy(templates=True))


def rendered(*apps: App, options: RenderOptions = OPTIONS) -> Rendered:
    return render(build(snapshot(*apps), RAW), options)


def stanza(made: Rendered, first: str) -> list[str]:
    """The lines of the section with this first line."""
    lines = made.config.decode().splitlines()
    begin = lines.index(first) + 1
    end = next((n for n in range(begin, len(lines)) if not lines[n].startswith("  ")), len(lines))
    return [line.strip() for line in lines[begin:end]]


def test_a_tcp_service() -> None:
    made = rendered(app("/a", 10000, 2))
    assert stanza(made, "frontend a_10000") == [
        "bind *:10000",
        "mode tcp",
        "default_backend a_10000",
    ]
    check = f"check inter 5s fastinter 1s downinter 2s fall 2 rise 1 {OBSERVED}"
    assert stanza(made, "backend a_10000") == [
        "mode tcp",
        "balance roundrobin",
        "timeout check 3s",
        f"server h1_10_0_0_1_31000 10.0.0.1:31000 weight 100 {check}",
        f"server h2_10_0_0_2_31000 10.0.0.2:31000 weight 100 {check}",
    ]


def test_virtual_hosts_are_in_maps() -> None:
    made = rendered(
        app("/a", 1, VHOST="x.example"),
        app("/b", 2, VHOST="x.example,y.example", PATH="/api"),
        app("/c", 3, VHOST="z.example", PATH="-i /CASE"),
    )
    maps = {name.split("-")[1]: text.decode() for name, text in made.files.items()}
    assert maps["exact"].splitlines() == [
        "x.example/ a_1",
        "x.example/api b_2",
        "y.example/api b_2",
    ]
    assert maps["nocase"] == "z.example/case c_3\n"
    assert maps["appid"] == "/a a_1\n/b b_2\n/c c_3\n"
    for name in made.files:
        assert name in made.config.decode()


def test_the_longest_path_of_a_host_goes_first_whatever_its_case_means() -> None:
    made = rendered(
        app("/a", 1, VHOST="x.example"),
        app("/b", 2, VHOST="x.example", PATH="/case/deep"),
        app("/c", 3, VHOST="x.example,z.example", PATH="-i /CASE"),
    )
    lines = stanza(made, "frontend marathon_http_in")
    mixed = "if { var(txn.stayer_host) -m str x.example } { path_beg"
    assert [line for line in lines if mixed in line] == [
        f"use_backend b_2 {mixed} /case/deep }}",
        f"use_backend c_3 {mixed} -i /CASE }}",
        f"use_backend a_1 {mixed} / }}",
    ]
    texts = [text for name, text in made.files.items() if "appid" not in name]
    assert texts == [b"z.example/case c_3\n"]


def test_servers_of_a_template_have_numbers() -> None:
    line = "  server {serverName} {host_ipv4}:{port} id {serverId}{healthCheckOptions}"
    made = rendered(app("/a", 1, 40, BACKEND_SERVER_OPTIONS=line))
    lines = [one.split() for one in stanza(made, "backend a_1") if one.startswith("server")]
    numbers = {words[1]: int(words[words.index("id") + 1]) for words in lines}
    assert len(set(numbers.values())) == 40
    fewer = rendered(app("/a", 1, 1, BACKEND_SERVER_OPTIONS=line))
    (left,) = [one for one in stanza(fewer, "backend a_1") if one.startswith("server")]
    assert f" id {numbers[left.split()[1]]} " in left


def test_rules_come_in_the_order_of_what_is_specific() -> None:
    made = rendered(
        app("/a", 1, VHOST="*.example"),
        app("/b", 2, VHOST="*.long.example"),
        app("/c", 3, VHOST=r"~c[0-9]+\.example"),
        app("/d", 4, VHOST="*.example", PATH="/p"),
        app("/e", 5, VHOST="e.example", BACKEND_WEIGHT="1"),
        app("/f", 6, VHOST="f.example", BACKEND_WEIGHT="2"),
    )
    used = [
        line.split()[1]
        for line in stanza(made, "frontend marathon_http_in")
        if line.startswith("use_backend")
    ]
    assert used == ["f_6", "e_5", "b_2", "d_4", "a_1", "c_3"]


def test_only_members_are_no_structure() -> None:
    one = rendered(app("/a", 10000, 1))
    two = rendered(app("/a", 10000, 2))
    assert one.config != two.config
    assert one.structure == two.structure
    assert len(two.backends[0].servers) == 2
    label = rendered(app("/a", 10000, 1, BALANCE="leastconn"))
    assert label.structure != one.structure
    other = rendered(app("/a", 10000, 1), app("/b", 10001, 1))
    assert other.structure != one.structure


def test_routes_between_backends_that_stay_are_no_structure() -> None:
    def made(first: dict[str, str], second: dict[str, str]) -> Rendered:
        return rendered(app("/a", 1, **first), app("/b", 2, MODE="http", **second))

    a, b = {"VHOST": "a.example"}, {"VHOST": "b.example"}
    before = made(a, b)
    assert set(before.maps) == {"exact", "appid"}
    assert set(before.maps.values()) == set(before.files)
    for first, second in (
        (a, {"VHOST": "b.example,c.example"}),
        (a, {"VHOST": "b.example", "PATH": "/x"}),
        ({"VHOST": "b.example"}, {"VHOST": "a.example"}),
        (a, {}),
    ):
        after = made(first, second)
        assert after.structure == before.structure
        assert after.config != before.config
        assert after.maps["appid"] == before.maps["appid"]
        assert after.maps["exact"] != before.maps["exact"]
        assert after.files[after.maps["exact"]] != before.files[before.maps["exact"]]
    for second in (
        {"VHOST": "*.b.example"},
        {"VHOST": "b.example", "PATH": "-i /x"},
        {"VHOST": "b.example", "BACKEND_WEIGHT": "1"},
        {"VHOST": "b.example", "MATCH_HEADER": "X-A: b"},
        {"VHOST": "b.example", "REDIRECT_TO_HTTPS": "true"},
    ):
        assert made(a, second).structure != before.structure
    assert made({}, {}).structure != before.structure


def test_a_map_that_haproxy_is_not_told_of_is_no_structure() -> None:
    options = RenderOptions(appid_bind="")
    made = rendered(app("/a", 1, VHOST="a.example"), options=options)
    assert set(made.maps) == {"exact"}
    assert len(made.files) == 2


def test_members_are_structure_where_haproxy_can_not_change_them() -> None:
    one = rendered(app("/a", 10000, 1, BALANCE="static-rr"))
    two = rendered(app("/a", 10000, 2, BALANCE="static-rr"))
    assert not one.backends[0].dynamic
    assert one.structure != two.structure


def test_equal_input_gives_equal_bytes() -> None:
    apps = [app(f"/a{n}", 10000 + n, 3, VHOST=f"h{n}.example") for n in range(20)]
    assert rendered(*apps) == rendered(*reversed(apps))


def test_lines_have_owners() -> None:
    made = rendered(app("/a", 10000, 2), app("/b", 10001, 1, AUTH="r:u:p", MODE="http"))
    lines = made.config.decode().splitlines()
    owners = list(made.owners())
    assert [owner for _, _, owner in owners] == ["/a", "/b"]
    for first, last, owner in owners:
        text = "\n".join(lines[first - 1 : last])
        assert f"backend {owner[1:]}_" in text
        assert ("backend b_" in text) == (owner == "/b")
    assert owners[-1][1] == len(lines)


def test_a_check_of_http() -> None:
    check = Check(CheckKind.HTTP, "/ok?a=b#c d'e\"f\\", interval_seconds=10, timeout_seconds=5)
    lines = stanza(rendered(checked(app("/a"), check)), "backend a_10000")
    sent = "http-check send meth GET uri /ok?a=b\\#c\\ d\\'e\\\"f\\\\ ver HTTP/1.1 hdr Host a_10000"
    assert sent in lines
    assert "timeout check 5s" in lines
    assert lines[-1].endswith(f"check inter 10s fastinter 1s downinter 2s fall 4 rise 1 {OBSERVED}")


def checked_by(*checks: Check | None, **labels: str) -> list[str]:
    """The backend of an app whose tasks have these checks, one each."""
    tasks = (task("/a", n, checks=() if one is None else (one,)) for n, one in enumerate(checks, 1))
    made = rendered(replace(app("/a", **labels), tasks=tuple(tasks)))
    return stanza(made, "backend a_10000")


def test_each_task_is_checked_as_its_own_configuration_says() -> None:
    old = Check(CheckKind.HTTPS, "/o'ld?a=%41", interval_seconds=7, timeout_seconds=9)
    new = Check(CheckKind.HTTP, "/new_one", interval_seconds=8, timeout_seconds=5)
    lines = checked_by(old, None, replace(new, interval_seconds=3), Check(CheckKind.TCP), new)
    how, mark = lines.index("option httpchk"), f":check-{digest(old.path)[:8]}"
    told = f",regsub(^.*{mark}$,/o%27ld%3Fa%3D%2541)"
    assert lines[how + 1 :] == [
        f"http-check set-var(check.path) srv_name{told},regsub(^[^/].*$,/new_one),url_dec",
        "http-check send meth GET uri-lf %[var(check.path)] ver HTTP/1.1 hdr Host a_10000",
        "http-check expect status 200-399",
        "timeout check 9s",
        *(
            f"server h{n}_10_0_0_{n}_31000{end} 10.0.0.{n}:31000 weight 100{options}"
            for n, end, options in (
                (1, mark, f"{_options(7)} check-ssl verify none"),
                (2, "", ""),
                (3, "", _options(3)),
                (4, "", ""),
                (5, "", _options(8)),
            )
        ),
    ]
    plain = checked_by(replace(new, interval_seconds=3), new)
    assert "http-check send meth GET uri /new_one ver HTTP/1.1 hdr Host a_10000" in plain


def _options(seconds: int) -> str:
    return f" check inter {seconds}s fastinter 1s downinter 2s fall 4 rise 1 {OBSERVED}"


def test_where_somebody_wrote_the_check_others_are_not_judged_by_it() -> None:
    old, new = Check(CheckKind.HTTP, "/old"), Check(CheckKind.HTTP, "/new")
    own = "  option httpchk GET {healthCheckPath}"
    servers = checked_by(old, new, BACKEND_HTTP_HEALTHCHECK_OPTIONS=own)[-2:]
    assert ["check" in line for line in servers] == [False, True]


def test_endless_paths_of_checks_are_left_to_the_scheduler() -> None:
    many = [Check(CheckKind.HTTP, f"/{n:02}") for n in range(12)]
    long = Check(CheckKind.HTTP, "/" + "x" * 1_000)
    servers = [one for one in checked_by(long, *many) if one.startswith("server")]
    assert sum(" check " in line for line in servers) == 9


def test_two_tasks_at_one_place_have_two_names() -> None:
    twins = (task("/a", 1), replace(task("/a", 1), id="a.x"))
    names = [one.name for one in rendered(replace(app("/a"), tasks=twins)).backends[0].servers]
    assert names == ["h1_10_0_0_1_31000", "h1_10_0_0_1_31000_2"]


def test_without_certificates_there_is_no_https() -> None:
    made = rendered(app("/a", VHOST="a.example"), options=RenderOptions())
    assert "marathon_https_in" not in made.config.decode()


def test_tls_passed_on_shares_the_port_with_tls_ended_here() -> None:
    passing = app("/a", 1, VHOST="t.example", TLS_PASSTHROUGH="true")
    made = rendered(passing, app("/b", 2, VHOST="b.example"))
    lines = stanza(made, "frontend stayer_tls_in")
    assert "use_backend a_1 if { var(sess.stayer_sni) -m str t.example }" in lines
    assert lines[-1] == "default_backend stayer_tls_here"
    assert "bind abns@stayer_https accept-proxy ssl" in made.config.decode()
    assert "t.example" not in "".join(text.decode() for text in made.files.values())


def test_templates_of_an_app_replace_its_pieces() -> None:
    made = rendered(
        app(
            "/a",
            VHOST="a.example",
            BACKEND_HEAD="backend {backend}\n  balance {balance}\n  mode {mode}\n  # own",
            BACKEND_HTTP_OPTIONS="  rspadd X-{backend}:\\ yes",
            HTTP_FRONTEND_ACL="  acl host_{cleanedUpHostname} hdr(host) -i {hostname}\n"
            "  use_backend {backend} if host_{cleanedUpHostname} {{ src ::1 }} { src ::2 }",
        )
    )
    lines = stanza(made, "backend a_10000")
    assert "# own" in lines
    assert 'http-response add-header X-{backend} "yes"' in lines
    rules = stanza(made, "frontend marathon_http_in")
    assert "acl host_a_example_a hdr(host) -i a.example" in rules
    assert "use_backend a_10000 if host_a_example_a { src ::1 } { src ::2 }" in rules


def test_templates_of_the_operator_are_for_all() -> None:
    options = RenderOptions(
        templates={"HEAD": "global\n  maxconn 7\n", "BACKEND_HSTS_OPTIONS": "x"}
    )
    made = rendered(app("/a", MODE="http", USE_HSTS="true"), options=options)
    assert made.config.startswith(b"global\n  maxconn 7\n")
    assert "\nx\n" in made.config.decode()


def test_servers_of_a_template_are_named_so_that_nobody_takes_them_away() -> None:
    made = rendered(app("/a", BACKEND_HEAD="backend {backend}\n  server sorry 127.0.0.1:1 backup"))
    assert made.backends[0].others == ("sorry",)
    have = {
        "a_10000": {
            name: Running(name, "10.0.0.1", 31000, 100, up=True)
            for name in ("sorry", "h1_10_0_0_1_31000")
        }
    }
    assert plan(made, made, have) == Plan()
    assert differences(made.backends, have) == []


def test_a_server_with_few_places_comes_up_anew_when_it_gets_traffic_again() -> None:
    """haproxy gives it those that wait for others only then, and else none at all any more."""
    for labels, kicked in (({"MAXCONN_SERVER": "2"}, True), ({}, False)):
        made = rendered(app("/a", **labels))
        name = "h1_10_0_0_1_31000"
        there = Running(name, "10.0.0.1", 31000, 0, up=True)
        commands = plan(made, made, {"a_10000": {name: there}}).commands
        whole = f"set server a_10000/{name}"
        more = (f"{whole} state maint", f"{whole} state ready") if kicked else ()
        assert commands == (f"{whole} weight 100", *more)
        stopped = Running(name, "10.0.0.1", 31000, 0, up=False, stopped=True)
        commands = plan(made, made, {"a_10000": {name: stopped}}).commands
        assert commands == (f"{whole} weight 100", f"{whole} state ready")
