# SPDX-License-Identifier: Apache-2.0
"""The output of a job that its job manager cannot send any more, fetched by a second job.

A job manager that follows one which was killed finds in the job's state file where the output was to go, and that was
to whoever waited then. If it is told another place, it forgets the first, and takes no new one: it sends nothing, and
says DONE. But what the job has written lies in a directory of its own, beside those of other jobs of the same user,
until the job is committed. A small job of that user at the same gatekeeper reads it there, and sends it, with the exit
status that `pyglobus.core.gram.wrapper` has put there, and with the files that were to be staged out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from pyglobus.core import errors, rsl
from pyglobus.core.gram.outlet import GASS_URL, Paths
from pyglobus.core.gram.request import Delegation
from pyglobus.core.gram.submission import submit
from pyglobus.core.gram.wrapper import STATUS_FILE
from pyglobus.core.rsl.tree import Boolean, Literal, Relation, Sequence, Value, conjunction, relation

# $0 is the file that this job's status would be in, beside its output, and $1 the name of the other job's directory. If
# that is gone, there is no file to be staged out, and this job fails. A job that does not tell its status has "-".
_SCRIPT = 'cd "${{0%/*/*}}/$1" && {streams}{{ cat "${{0##*/}}" 2>/dev/null || echo -; }} >"$0"'
_STREAMS = {"stdout": "cat stdout && ", "stderr": "cat stderr >&2 && "}
# How often is looked whether to stop, in seconds.
_TICK = 0.5
# What a site may want to know of every job.
_ACCOUNT = ("queue", "project")


def description(contact: str, sent: str, server: str, paths: Paths) -> Boolean:
    """The request for the job that fetches the output of the job of this contact, which was ``sent``, to these paths of
    a server.
    """
    request = _parsed(sent)
    streams = {name: path for name, path in (("stdout", paths.stdout), ("stderr", paths.stderr)) if f'"{path}"' in sent}
    script = _SCRIPT.format(streams="".join(_STREAMS[name] for name in streams))
    identity = urlsplit(contact).path.strip("/").replace("/", ".")
    kept = (each for name in _ACCOUNT for each in request.relations(name))
    return conjunction(
        *_substitutions(request),
        relation("rsl_substitution", [GASS_URL, server]),
        *kept,
        relation("executable", "/bin/sh"),
        relation("arguments", "-c", script, STATUS_FILE, identity),
        *(relation(name, paths.reference(path)) for name, path in streams.items()),
        relation("file_stage_out", [STATUS_FILE, paths.reference(paths.status)], *_stages(request)),
    )


def fetch(gatekeeper: str, wanted: Boolean, using: Delegation, stopped: Callable[[], bool]) -> None:
    """Run that job. When ``stopped()`` is true, it is cancelled, and ends in an error as others do that fail. Raises
    `pyglobus.core.gram.errors.GramError`, and `errors.Cancelled`.
    """
    job = submit(gatekeeper, wanted, using)
    while True:
        try:
            last = job.wait(_TICK)
        except TimeoutError:
            if stopped():
                job.cancel()
                raise errors.Cancelled("cannot fetch the output of the job", where=gatekeeper) from None
        else:
            break
    if last.failure is not None:
        raise last.failure


def stages(sent: str) -> bool:
    """Whether a job that was sent has files to be staged out, other than its status."""
    return any(True for _ in _stages(_parsed(sent)))


def _stages(request: Boolean) -> Iterator[Value]:
    """The pairs of files. What is in a scratch directory of the job is nowhere that could be named."""
    for each in request.relations("file_stage_out"):
        for pair in each.values:
            if str(STATUS_FILE) not in str(pair) and "SCRATCH_DIRECTORY" not in str(pair):
                yield pair


def _substitutions(request: Boolean) -> Iterator[Relation]:
    """What the description defines itself."""
    for each in request.relations("rsl_substitution"):
        own = [pair for pair in each.values if not (isinstance(pair, Sequence) and pair.values[0] == Literal(GASS_URL))]
        if own:
            yield Relation(each.attribute, "=", tuple(own))


def _parsed(sent: str) -> Boolean:
    found = rsl.parse(sent)
    assert isinstance(found, Boolean), "what was sent was a request"
    return found
