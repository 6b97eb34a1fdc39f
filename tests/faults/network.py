# SPDX-License-Identifier: Apache-2.0
"""Faults of names and connections."""

from __future__ import annotations

import os
import signal
import socket
import threading
from pathlib import Path

from tests.faults.case import (
    DENIED,
    MISSING,
    PROTOCOL,
    TRANSIENT,
    apart,
    case,
    namespace,
)
from tests.faults.lab import Lab, Record
from tests.faults.played import Answer, closed_port, passive, silence
from tests.waiting import wait_until


@case("unknown-host", *MISSING, "host name .*example is not known", "spelling")
def name_that_cannot_exist(lab: Lab) -> Record:
    return lab.fail(f"ftp://{'long' * 16}.example/file", lab.copy)


@case("name-service", *TRANSIENT, "name service does not answer", marks=[apart])
def name_service_out_of_reach(lab: Lab) -> Record:
    (lab.tmp / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    prefix = namespace(f"mount --bind {lab.tmp}/resolv.conf /etc/resolv.conf")
    return lab.fail("ftp://host.example/file", lab.copy, prefix=prefix)


@case("connection-refused", *TRANSIENT, "connection was refused", "server is down")
def closed(lab: Lab) -> Record:
    return lab.fail(f"gsiftp://localhost:{closed_port()}/file", lab.copy)


@case("connection-timed-out", *TRANSIENT, "did not answer in time", marks=[apart])
def packets_that_are_dropped(lab: Lab) -> Record:
    prefix = namespace("echo 1 > /proc/sys/net/ipv4/tcp_syn_retries")
    return lab.fail("ftp://127.0.0.1:2811/file", lab.copy, prefix=prefix, crowded=2811)


@case("host-unreachable", *TRANSIENT, "no route")
def address_that_no_route_leads_to(lab: Lab) -> Record:
    return lab.fail("ftp://255.255.255.255/file", lab.copy)


@case("connection-forbidden", *DENIED, "does not allow the connection", marks=[apart])
def route_that_is_closed(lab: Lab) -> Record:
    return lab.fail("ftp://192.0.2.2/file", lab.copy, prefix=namespace("ip route add prohibit 192.0.2.0/24"))


@case("connection-lost", *TRANSIENT, "closed the connection")
def server_that_hangs_up(lab: Lab) -> Record:
    return lab.fail(f"gsiftp://localhost:{lab.played(lambda connection: None)}/file", lab.copy)


@case("connection-lost", *TRANSIENT, "closed the connection")
def server_killed_in_the_middle(lab: Lab) -> Record:
    server = lab.server(anonymous=True)
    huge = lab.tmp / "huge"
    huge.touch()
    os.truncate(huge, 1 << 40)
    arrived = lab.served / "arrived"

    def kill() -> None:
        wait_until(lambda: arrived.stat().st_size > 1 << 20)
        assert server.process is not None
        children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
        for pid in map(int, children):
            os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        return lab.fail(str(huge), lab.ftp("arrived", server))
    finally:
        killer.join()


@case("port-range-used-up", *TRANSIENT, "GLOBUS_TCP_SOURCE_RANGE", "widen")
def no_port_left(lab: Lab) -> Record:
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        return lab.get(GLOBUS_TCP_SOURCE_RANGE=f"{port},{port}")


@case("data-channel-refused", *TRANSIENT, r"data channel to 127\.0\.0\.1:\d+ was refused", "GLOBUS_TCP_PORT_RANGE")
def data_port_closed(lab: Lab) -> Record:
    answers: dict[str, Answer] = {"PASV": passive(closed_port()), "RETR": "150 opening"}
    return lab.fail(lab.spoken(answers), lab.copy)


@case("data-channel-unreachable", *TRANSIENT, r"to 255\.255\.255\.255:\d+", "GLOBUS_TCP_PORT_RANGE")
def data_port_out_of_reach(lab: Lab) -> Record:
    answers: dict[str, Answer] = {"PASV": passive(closed_port(), "255,255,255,255"), "RETR": "150 opening"}
    return lab.fail(lab.spoken(answers), lab.copy)


@case("data-channel-unreachable", *TRANSIENT, "no data channel could be opened$", "GLOBUS_TCP_PORT_RANGE")
def data_port_that_the_server_cannot_reach(lab: Lab) -> Record:
    answers: dict[str, Answer] = {"PASV": passive(lab.played(silence)), "RETR": "425 Can't open data connection."}
    return lab.fail(lab.spoken(answers), lab.copy)


@case("data-channel-lost", *TRANSIENT, "data channel broke")
def data_channel_that_breaks(lab: Lab) -> Record:
    port = lab.played(lambda connection: None)
    answers: dict[str, Answer] = {"PASV": passive(port), "RETR": "150 opening\r\n426 Connection closed."}
    return lab.fail(lab.spoken(answers), lab.copy)


@case("data-channel-address", *PROTOCOL, "named an address for data that does not exist")
def data_port_of_nonsense(lab: Lab) -> Record:
    return lab.fail(lab.spoken({"PASV": "227 nonsense", "RETR": "150 opening"}), lab.copy)


@case("server-busy", *TRANSIENT, "not available now .*Connection limit exceeded")
def server_with_enough_to_do(lab: Lab) -> Record:
    server = lab.server("-connections-max", "1", anonymous=True)
    with socket.create_connection(("localhost", server.port)) as first:
        first.recv(1000)
        return lab.fail(lab.ftp("file", server), lab.copy)
