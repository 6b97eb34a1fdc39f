# SPDX-License-Identifier: Apache-2.0
"""Shell scripts that stand around a job's program there, for what job managers do not do: tell its exit status, and
send what it writes while it runs.

Each is a line of the POSIX shell that the request's executable becomes, with the program and its arguments as further
words, so that nothing is quoted twice. A program that a signal has ended counts as 128 and the signal's number.

The live sender reads what comes, writes it to where the job's output goes anyway, and puts the same (HTTP, in chunks)
to the server of whoever has submitted the job. The connection is made by openssl(1) with the job's own proxy; only a
server with a certificate of the same user is believed, for the certificates of the proxy's file are all that is
trusted. Where that connection fails or breaks, the job goes on, and its output comes at the end, as without it.
"""

from __future__ import annotations

from pyglobus.core import errors
from pyglobus.core.rsl.tree import Boolean, Relation, Simple, Value, literal, relation, variable

# The shell's name, $0, is the file to write to. Once the status is there, the job ends well: of what Slurm
# calls failed, the job manager brings nothing back.
_STATUS = '"$@"; status=$?; echo $status >"$0" && exit 0; exit $status'

#: Where the status lies there: beside the output, in the directory that the job manager keeps for the job.
STATUS_FILE = variable("GLOBUS_CACHED_STDOUT") + ".status"

# How long a server that has all may take to say so, in seconds.
_GRACE = 10

# $0 is host:port of the server, $1 and $2 the paths for what the program writes to descriptors 1 and 2. The output of
# `send` and what it sends are fed from one piece at a time, as dd reads it: what is there, up to 64 KiB.
_LIVE = "; ".join((
    "to=$0 out=$1 err=$2",
    "shift 2",
    'send() ( trap "" PIPE',
    'place=$(mktemp -d) && mkfifo "$place/pipe" || exec cat',
    "trap 'rm -rf \"$place\"' EXIT",
    "trap exit HUP INT TERM",
    'openssl s_client -quiet -connect "$to" -cert "$X509_USER_PROXY" -key "$X509_USER_PROXY"'
    ' -cert_chain "$X509_USER_PROXY" -CAfile "$X509_USER_PROXY" -partial_chain -allow_proxy_certs -purpose any'
    ' -verify_return_error <"$place/pipe" >/dev/null 3>&- & sender=$!',
    'exec 4>&1 >"$place/pipe"',
    r'printf "PUT %s HTTP/1.1\r\nHost: %s\r\nTransfer-Encoding: chunked\r\n\r\n" "$1" "$to"',
    'while dd bs=65536 count=1 >"$place/piece" && [ -s "$place/piece" ]',
    'do cat "$place/piece" >&4',
    r'{ printf "%x\r\n" "$(wc -c <"$place/piece")" && cat "$place/piece" && printf "\r\n"; } || { cat >&4; break; }',
    "done",
    r'printf "0\r\n\r\n"',
    "exec >/dev/null 3>&- 4>&-",
    f"{{ sleep {_GRACE}; kill $sender; }} & wait $sender",
    "kill -9 $!",  # any other signal could get lost while a new shell resets its traps
    ") 2>/dev/null",
    "exec 5>&1",
    "status=$(exec 3>&1 1>&5 5>&-",
    '{ { "$@" 3>&- 4>&-; echo $? >&3; } 2>&1 >&4 4>&- | send "$err" >&2; } 4>&1 | send "$out")',
    "exit $status",
))  # fmt: skip


def with_status(request: Boolean, place: Simple) -> Boolean:
    """The request with the exit status of its program, in digits, staged out to ``place`` at the end.

    Raises `errors.UsageError` for a request that is not one program in one process.
    """
    program = _program(request, "cannot tell the exit status")
    stages = tuple(value for each in request.relations("file_stage_out") for value in each.values)
    made = [relation("file_stage_out", [STATUS_FILE, place], *stages)]
    return _around(request, (literal(_STATUS), STATUS_FILE), program, made)


def with_live(request: Boolean, server: str, stdout: str, stderr: str) -> Boolean:
    """The request with what its program writes put to paths of a server (``https://host:port``) as it comes; a program
    in one process, as for `with_status`.
    """
    program = _program(request, "cannot show the output live")
    words = (_LIVE, server.removeprefix("https://"), stdout, stderr)
    return _around(request, tuple(map(literal, words)), program, [])


def _program(request: Boolean, what: str) -> tuple[Value, ...]:
    """The words of the one program that a request runs."""
    if request.operator != "&" or any(isinstance(operand, Boolean) for operand in request.operands):
        raise errors.UsageError(what, why="the description is not a plain one", fault="bad-rsl")
    found = {name: list(request.relations(name)) for name in ("executable", "arguments", "file_stage_out", "count")}
    if any(str(value) != '"1"' for each in found["count"] for value in each.values):
        raise errors.UsageError(what, why="the job is several processes", fault="bad-rsl")
    if len(found["executable"]) != 1 or any(len(each) > 1 for each in found.values()):
        raise errors.UsageError(what, why="it must name one executable", fault="bad-rsl")
    return (*found["executable"][0].values, *(value for each in found["arguments"] for value in each.values))


def _around(
    request: Boolean, script: tuple[Simple, ...], program: tuple[Value, ...], further: list[Relation]
) -> Boolean:
    """The request with a shell that gets the script, its own words and the program's; ``further`` replaces relations
    of the same name.
    """
    made = [
        relation("executable", "/bin/sh"),
        Relation("arguments", "=", (literal("-c"), *script, *program)),
        *further,
    ]
    replaced = {each.name for each in made}
    kept = (each for each in request.operands if not (isinstance(each, Relation) and each.name in replaced))
    return Boolean("&", (*kept, *made))
