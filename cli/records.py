# SPDX-License-Identifier: Apache-2.0
"""The records that pyglobus-url-copy writes for programs: each with its keys, what they hold and in which form.

The manual page tells of them from here, and the tests hold what is printed against it. Records only ever grow. A form
is ``text``, ``int``, ``number``, ``bool`` or ``list``; with a ``?`` behind it the value may be null.
"""

from __future__ import annotations

from typing import NamedTuple


class Record(NamedTuple):
    """One ``type``: what it tells, and its keys with their forms. ``some`` of the keys may be missing."""

    what: str
    keys: dict[str, str]
    some: frozenset[str] = frozenset()


_ENDS = {"source": "text", "destination": "text"}
_FILE = {
    **_ENDS,
    "route": "text",
    "bytes": "int",
    "seconds": "number",
    "rate": "number",
    "attempts": "int",
    "checksum": "text?",
    "checksum_algorithm": "text?",
    "resumed": "int",
}
_ERROR = {
    "message": "text",
    "what": "text",
    "where": "text?",
    "why": "text?",
    "hint": "text?",
    "fault": "text?",
    "exit_code": "int",
    "ftp_code": "int?",
    "errno": "int?",
    "chain": "list",
}

RECORDS = {
    "resumed": Record(
        "An earlier run has left something (--resume): the files that are done, their bytes, the files of which a part "
        "is there, and those bytes.",
        {"journal": "text", "files": "int", "bytes": "int", "partial": "int", "partial_bytes": "int"},
    ),
    "plan": Record(
        "Of a job of many files, all is listed: how much is to be copied.", {"files": "int", "bytes": "int"}
    ),
    "copy": Record("With --dry-run: a file that would be copied.", {**_ENDS, "size": "int?"}),
    "started": Record(
        "The bytes of a file begin to move; its size in bytes is null if nobody knows, and so is the way that they "
        "take in a job of many files.",
        {**_ENDS, "route": "text?", "total": "int?"},
    ),
    "progress": Record(
        "At most once a second, or once in each interval of --stats; of several files also how many are done with, are "
        "known, and have failed.",
        {
            **_ENDS,
            "bytes": "int",
            "total": "int?",
            "seconds": "number",
            "rate": "number",
            "remaining": "number?",
            "done": "int",
            "files": "int",
            "failed": "int",
        },
        frozenset({"done", "files", "failed"}),
    ),
    "retry": Record(
        "A fault passed by; after so many seconds it is tried again.",
        {"attempt": "int", "delay": "number", "why": "text"},
    ),
    "warning": Record(
        "Something beside the bytes did not succeed.", {"why": "text", "where": "text?", "fault": "text?"}
    ),
    "file": Record("One of several files has arrived; bytes that were there from an earlier run are resumed.", _FILE),
    "skipped": Record(
        "A file that -sync found up to date, or that an earlier run has copied.", {**_ENDS, "resumed": "bool"}
    ),
    "deleted": Record(
        "With --delete: what the source has not is gone, or with --dry-run would be.",
        {"destination": "text", "size": "int?"},
    ),
    "failed": Record(
        "A file that could not be copied, or a directory that could not be listed.",
        {**_ENDS, "why": "text", "fault": "text?"},
    ),
    "summary": Record(
        "The last line on stdout. Of one file its keys are those of file; of several:",
        {
            "files": "int",
            "failed": "int",
            "skipped": "int",
            "resumed": "int",
            "deleted": "int",
            "bytes": "int",
            "seconds": "number",
            "rate": "number",
            "dry_run": "bool",
        },
    ),
    "error": Record(
        "The last line on stderr, if it does not end well. Errors that are made of several have their failures, each "
        "with the same keys but for the type.",
        {**_ERROR, "failures": "list"},
        frozenset({"failures"}),
    ),
}

#: A line of --fail-report.
FAILURE = Record("A file that failed.", {**_ENDS, **_ERROR})


def markup() -> str:
    """The records in the markup of the manual's prose."""
    entries = []
    for name, record in RECORDS.items():
        keys = ", ".join(f"`{key}` ({form})" for key, form in record.keys.items())
        entries.append(f"`{name}`\n: {record.what} {keys}.")
    return "\n".join(entries)
