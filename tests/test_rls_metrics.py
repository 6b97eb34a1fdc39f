# SPDX-License-Identifier: Apache-2.0
"""What a replica server tells Prometheus, and who asks for it in a way that is none."""

from __future__ import annotations

import re
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyglobus.core import errors
from pyglobus.core.rls import Client, Configuration, ObjectType, exposition
from pyglobus.core.rls.server import Server
from tests.pace import PROMPT
from tests.rlswire import Wire
from tests.test_rls_command import serving
from tests.waiting import wait_until

SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z]+="[^"\\]*",?)*)\})? (\S+)')


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    chosen = Configuration(
        authentication=False, port=0, lrc_server=True, rli_server=True, lrc_dbname=str(tmp_path / "lrc"),
        rli_dbname=str(tmp_path / "rli"), maxconnections=5, lrc_update_immediate=True, lrc_buffer_time=0,
    )  # fmt: skip
    with Server(chosen, metrics=("localhost", 0)) as made:
        yield made
    while Wire.made:
        Wire.made.pop().close()


def told(server: Server) -> dict[str, float]:
    """All samples by name and labels; what is not in the form of Prometheus fails."""
    with urllib.request.urlopen(server.metrics_url, timeout=PROMPT) as reply:
        assert reply.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        text = reply.read().decode()
    assert text.endswith("\n")
    found, typed = {}, set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            typed.add(line.split()[2])
        elif not line.startswith("# HELP "):
            match = SAMPLE.fullmatch(line)
            assert match, line
            name, labels, value = match.groups()
            assert re.sub("_(bucket|sum|count)$", "", name) in typed or name in typed, line
            found[f"{name.removeprefix('pyglobus_rls_')}{{{labels or ''}}}"] = float(value)
    return found


def test_what_is_counted(server: Server) -> None:
    with Client(server.url) as client:
        for number in range(3):
            client.create(f"l{number}", "p")
        for _ in range(10):
            client.query("l1")
        with pytest.raises(errors.NotFound):
            client.query("none")
        list(client.match("l%"))
        client.call("lrc_rli_add", server.url, "0", "")
        wait_until(lambda: client.exists("l2", ObjectType.RLI_LFN))
    many = [Wire(server.url) for _ in range(5)]
    assert Wire(server.url).welcome == "28"
    many[0].send("nonsense")
    assert many[0].at_end()
    found = told(server)
    assert found['requests_total{method="lrc_create",result="success"}'] == 3
    assert found['requests_total{method="lrc_get_pfn",result="success"}'] == 10
    assert found['requests_total{method="lrc_get_pfn",result="lfn_nexist"}'] == 1
    assert found['request_seconds_count{method="lrc_get_pfn"}'] == 11
    assert found['request_seconds_bucket{method="lrc_get_pfn",le="+Inf"}'] == 11
    assert 0 < found['request_seconds_sum{method="lrc_create"}'] < PROMPT
    buckets = [found[f'request_seconds_bucket{{method="lrc_create",le="{bound}"}}'] for bound in exposition_bounds()]
    assert buckets == sorted(buckets)
    assert found["connections_limit{}"] == 5
    assert 4 <= found["connections{}"] <= 6
    assert found['connections_broken_total{reason="too_many_connections"}'] == 1
    assert found['connections_broken_total{reason="badmethod"}'] == 1
    assert found["connections_opened_total{}"] >= 6
    assert (found["lrc_lfns{}"], found["lrc_pfns{}"], found["lrc_mappings{}"]) == (3, 1, 3)
    assert found["rli_lfns{}"] == 3
    assert sum(value for name, value in found.items() if name.startswith('updates_total{outcome="sent"')) >= 1
    assert found["databases_up{}"] == 1


def exposition_bounds() -> list[str]:
    from pyglobus.core.rls.metrics import BOUNDS

    return [*map(str, BOUNDS), "+Inf"]


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", b"404"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", b"405"),
        (b"lrc_exists\0a\x000\0\n\n", b"400"),
        (b"GET /metrics HTTP/1.1\r\nx: " + b"y" * 10_000, b"431"),
        (b"HEAD /metrics HTTP/1.0\n\n", b"200"),
    ],
)
def test_what_is_no_request(server: Server, request_: bytes, status: bytes) -> None:
    host, port = server.metrics_url.removeprefix("http://").partition("/")[0].rsplit(":", 1)
    with socket.create_connection((host.strip("[]"), int(port)), PROMPT) as sock:
        sock.sendall(request_)
        reply = b""
        try:
            while data := sock.recv(65536):
                reply += data
        except ConnectionResetError:
            pass
        assert reply.split()[1] == status


def test_few_at_a_time(server: Server) -> None:
    host, port = server.metrics_url.removeprefix("http://").partition("/")[0].rsplit(":", 1)
    silent = [socket.create_connection((host.strip("[]"), int(port)), PROMPT) for _ in range(8)]
    try:
        with pytest.raises(urllib.error.HTTPError, match="503"):
            told(server)
        with Client(server.url) as client:
            assert client.call("admin", "0").code == 0
    finally:
        for each in silent:
            each.close()
    wait_until(lambda: told(server)["connections_limit{}"] == 5)


def test_addresses_and_the_option(tmp_path: Path) -> None:
    assert exposition.parse("1234") == ("localhost", 1234)
    assert exposition.parse("0.0.0.0:99") == ("0.0.0.0", 99)
    assert exposition.parse("[::1]:0") == ("::1", 0)
    assert exposition.parse("monitor") == ("monitor", exposition.PORT)
    for bad in ("localhost:x", "::1:5", "h:70000"):
        with pytest.raises(errors.UsageError):
            exposition.parse(bad)
    with serving("-N", "--lrc", "--metrics", "localhost:0", cwd=tmp_path) as (_, _process):
        wait_until(lambda: "metrics are at http://127.0.0.1:" in (tmp_path / "errors").read_text())
        url = (tmp_path / "errors").read_text().partition("metrics are at ")[2].strip()
        assert b"pyglobus_rls_uptime_seconds" in urllib.request.urlopen(url, timeout=PROMPT).read()
