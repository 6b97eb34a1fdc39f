# SPDX-License-Identifier: Apache-2.0
"""Faults of files, here and at the server."""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import struct
import subprocess

from tests.faults.case import (
    CREATION,
    DATA,
    DENIED,
    MISSING,
    TRANSIENT,
    apart,
    case,
    namespace,
)
from tests.faults.lab import Lab, Record
from tests.faults.played import Answer, passive, silence


@case("path-not-allowed", *DENIED, "does not serve this path")
def path_outside(lab: Lab) -> Record:
    return lab.call("get", lab.grid.ftp_url("/etc/passwd"), more={"to": lab.copy}, role="source")


@case("permission-denied", *DENIED, "permission denied at the server")
def file_that_the_account_may_not_read(lab: Lab) -> Record:
    (lab.served / "file").chmod(0)
    return lab.fail(lab.ftp(), lab.copy)


@case("permission-denied", *DENIED, "permission denied at the server")
def directory_that_the_account_may_not_write(lab: Lab) -> Record:
    lab.served.chmod(0o555)
    try:
        return lab.fail(lab.local, lab.ftp("new"))
    finally:
        lab.served.chmod(0o755)


@case("read-only", *CREATION, "read-only", marks=[apart])
def read_only_file_system(lab: Lab) -> Record:
    (lab.tmp / "fixed").mkdir()
    prefix = namespace(f"mount -t tmpfs -o ro none {lab.tmp}/fixed")
    return lab.fail(lab.local, str(lab.tmp / "fixed" / "new"), prefix=prefix)


@case("link-loop", *MISSING, "round in a circle at the server", "ls -l")
def links_that_lead_round_in_a_circle(lab: Lab) -> Record:
    (lab.served / "one").symlink_to("other")
    (lab.served / "other").symlink_to("one")
    return lab.call("get", lab.ftp("one/file"), more={"to": lab.copy}, role="source")


@case("link-loop", *CREATION, "round in a circle$")
def local_links_that_lead_round_in_a_circle(lab: Lab) -> Record:
    (lab.tmp / "one").symlink_to("one")
    return lab.fail(lab.ftp(), str(lab.tmp / "one" / "new"))


@case("no-such-file", *MISSING, "no such file or directory")
def missing_source(lab: Lab) -> Record:
    return lab.fail(lab.ftp("absent"), lab.copy)


@case("no-such-file", *MISSING, "no such file or directory at the server")
def source_that_vanishes(lab: Lab) -> Record:
    return lab.call("get", lab.ftp("absent"), more={"to": lab.copy}, role="source")


@case("no-such-file", *CREATION, "directory does not exist at the server", "-cd")
def missing_directory(lab: Lab) -> Record:
    return lab.fail(lab.local, lab.ftp("absent/new"))


@case("is-directory", *CREATION, "directory at the server")
def directory_in_the_way(lab: Lab) -> Record:
    (lab.served / "directory").mkdir(mode=0o777)
    return lab.call("checksum", lab.ftp("directory"), "md5", role="destination")


@case("exists", *CREATION, "exists already at the server")
def directory_that_is_there(lab: Lab) -> Record:
    (lab.served / "directory").mkdir()
    return lab.call("mkdir", lab.ftp("directory"), role="destination")


@case("name-too-long", *CREATION, "name is too long at the server")
def name_that_is_too_long(lab: Lab) -> Record:
    return lab.fail(lab.local, lab.ftp("n" * 300))


@case("quota-exceeded", *DATA, "quota is used up at the server")
def quota(lab: Lab) -> Record:
    url = lab.spoken({"PASV": passive(lab.played(silence)), "STOR": "552 Disk quota exceeded", "SIZE": "550 no"})
    return lab.fail(lab.local, url)


@case("no-space", *DATA, "no space is left at the server")
def full_disk_of_the_server(lab: Lab) -> Record:
    (lab.served / "full").symlink_to("/dev/full")
    return lab.fail(lab.local, lab.gsi("full"))


@case("no-space", *DATA, "no space is left$")
def full_disk(lab: Lab) -> Record:
    record = lab.fail(lab.ftp(), "/dev/full", in_place=True)
    assert record["where"] == "/dev/full"
    return record


@case("file-too-large", *DATA, "larger than", "ulimit")
def limit_of_file_size(lab: Lab) -> Record:
    return lab.fail(lab.ftp(), lab.copy, largest=50_000)


@case("unexpected-data", *DATA, "data that was not asked for")
def server_that_sends_the_wrong_part(lab: Lab) -> Record:
    where: list[tuple[str, int]] = []

    def port(line: str) -> str:
        numbers = [int(number) for number in re.findall(r"\d+", line)]
        where.append((".".join(map(str, numbers[:4])), numbers[4] << 8 | numbers[5]))
        return "200 ok"

    def send(_: str) -> str:
        with socket.create_connection(where[-1]) as data:
            data.sendall(struct.pack(">BQQ", 0, 10, 2**64 - 100) + b"0123456789" + struct.pack(">BQQ", 0x48, 0, 1))
            data.settimeout(1)
            with contextlib.suppress(OSError):
                data.recv(1)
        return "150 opening\r\n226 done"

    url = lab.spoken({"PORT": port, "ERET": send, "RETR": send})
    return lab.call("get", url, more={"to": lab.copy, "start": 50}, role="source", extended=True)


@case("resources", *TRANSIENT, "Text file busy at the server")
def program_that_runs(lab: Lab) -> Record:
    shutil.copy("/bin/sleep", lab.served / "program")
    (lab.served / "program").chmod(0o777)
    with subprocess.Popen([lab.served / "program", "60"]) as running:
        try:
            return lab.fail(lab.local, lab.ftp("program"))
        finally:
            running.kill()


@case("io-error", *DATA, "failed .Input/output error")
def file_that_cannot_be_read(lab: Lab) -> Record:
    return lab.fail("/proc/self/mem", lab.copy)


@case("file-unavailable", *MISSING, "cannot open this path .Failed to open file")
def server_that_does_not_say_why(lab: Lab) -> Record:
    answers: dict[str, Answer] = {"PASV": passive(lab.played(silence)), "RETR": "550 Failed to open file."}
    return lab.fail(lab.spoken(answers), lab.copy)
