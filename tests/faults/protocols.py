# SPDX-License-Identifier: Apache-2.0
"""Faults of what is said over a connection."""

from __future__ import annotations

import contextlib
import http.server
import threading

import pytest

from pyglobus.cli.exits import ExitCode, code_of
from pyglobus.cli.output import error_record
from pyglobus.core import errors
from pyglobus.core.xio import StackError, XioSocket
from tests.faults.case import (
    CREDENTIAL,
    DENIED,
    MISSING,
    PROTOCOL,
    TRANSIENT,
    UNSUPPORTED,
    case,
)
from tests.faults.lab import Lab, Record
from tests.faults.played import closed_port, passive, saying, silence


@case("not-an-ftp-server", *PROTOCOL, "not a GridFTP or FTP server")
def ssh_server(lab: Lab) -> Record:
    port = lab.played(saying(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"))
    return lab.fail(f"gsiftp://localhost:{port}/file", lab.copy)


@case("not-an-ftp-server", *PROTOCOL, "not a GridFTP or FTP server")
def http_server(lab: Lab) -> Record:
    port = lab.played(saying(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"))
    return lab.fail(f"ftp://localhost:{port}/file", lab.copy)


@case("no-such-driver", StackError, ExitCode.UNSUPPORTED, "no XIO driver imaginary", "spelling")
def driver_that_is_not_installed(lab: Lab) -> Record:
    with pytest.raises(StackError) as caught, XioSocket("tcp,imaginary") as sock:
        sock.connect(("localhost", lab.grid.servers["ftp"].port))
    return {"class": type(caught.value).__name__, **error_record(caught.value, code_of(caught.value))}


@case("broken-protocol", *PROTOCOL, "answer that nobody asked for")
def reply_too_many(lab: Lab) -> Record:
    return lab.fail(lab.spoken({"PASV": "500 no\r\n500 not at all"}), lab.copy)


@case("broken-protocol", *PROTOCOL, "done before it had begun")
def transfer_that_never_was(lab: Lab) -> Record:
    return lab.fail(lab.spoken({"PASV": passive(closed_port()), "RETR": "226 done"}), lab.copy)


@case("unknown-reply", *PROTOCOL, "999 strange")
def reply_with_a_strange_code(lab: Lab) -> Record:
    return lab.fail(lab.spoken({"PASV": passive(closed_port()), "RETR": "999 strange"}), lab.copy)


@case("unsupported", *UNSUPPORTED, "lacks what is needed .Command not supported")
def command_that_is_switched_off(lab: Lab) -> Record:
    server = lab.server("-disable-command-list", "STOR", anonymous=True)
    return lab.fail(lab.local, lab.ftp("new", server))


@case("server-error", *TRANSIENT, "cannot do it now .Requested action aborted")
def server_in_trouble(lab: Lab) -> Record:
    return lab.fail(
        lab.spoken({"PASV": passive(lab.played(silence)), "RETR": "451 Requested action aborted"}), lab.copy
    )


@case("server-refused", *UNSUPPORTED, "refused .Unknown checksum algorithm")
def algorithm_that_the_server_does_not_know(lab: Lab) -> Record:
    return lab.call("checksum", lab.ftp(), "nonsense")


@case("unknown", errors.Error, ExitCode.FAILED, "protocol|scheme|url")
def something_that_nobody_foresaw(lab: Lab) -> Record:
    return lab.call("size", "foo://localhost/file")


class Refusing(http.server.BaseHTTPRequestHandler):
    """Answers with the status that the path names."""

    def do_GET(self) -> None:
        self.send_response(int(self.path.strip("/")))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def web(lab: Lab, status: int) -> str:
    server = lab.enter(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    lab.enter(contextlib.closing(Stopping(server)))
    return f"http://localhost:{server.server_port}/{status}"


class Stopping:
    def __init__(self, server: http.server.ThreadingHTTPServer) -> None:
        self.close = server.shutdown


@case("not-an-http-server", *PROTOCOL, "not an HTTP server")
def http_url_of_an_ftp_server(lab: Lab) -> Record:
    return lab.fail(lab.ftp().replace("ftp:", "http:"), lab.copy)


@case("http-unauthorized", *CREDENTIAL, "wants a login .Unauthorized")
def http_login(lab: Lab) -> Record:
    return lab.fail(web(lab, 401), lab.copy)


@case("http-forbidden", *DENIED, "denies access .Forbidden")
def http_forbidden(lab: Lab) -> Record:
    return lab.fail(web(lab, 403), lab.copy)


@case("http-not-found", *MISSING, "does not know this path .Not Found")
def http_missing(lab: Lab) -> Record:
    return lab.fail(web(lab, 404), lab.copy)


@case("http-unavailable", *TRANSIENT, "cannot answer now .Service Unavailable")
def http_overloaded(lab: Lab) -> Record:
    return lab.fail(web(lab, 503), lab.copy)


@case("http-refused", *UNSUPPORTED, "refused the request .405, Method Not Allowed")
def http_method(lab: Lab) -> Record:
    return lab.fail(web(lab, 405), lab.copy)


@case("http-failed", *UNSUPPORTED, "broke off without giving a reason")
def http_server_that_hangs_up(lab: Lab) -> Record:
    return lab.fail(f"http://localhost:{lab.played(lambda connection: None)}/file", lab.copy)


@case("connection-refused", *TRANSIENT, "connection was refused")
def http_closed(lab: Lab) -> Record:
    return lab.fail(f"http://localhost:{closed_port()}/file", lab.copy)


@case("unknown-host", *MISSING, "host name .*example is not known")
def http_name_that_cannot_exist(lab: Lab) -> Record:
    return lab.fail(f"http://{'long' * 16}.example/file", lab.copy)
