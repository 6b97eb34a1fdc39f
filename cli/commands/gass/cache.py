# SPDX-License-Identifier: Apache-2.0
"""pyglobus gass cache: in place of globus-gass-cache, for the caches of this machine and of others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pyglobus.cli import signals
from pyglobus.cli.command import Output, argument, command
from pyglobus.cli.option import BETTER, SAME, option
from pyglobus.cli.output import printable
from pyglobus.core import errors

if TYPE_CHECKING:
    from pyglobus.core.gass.cache import Cache, Entry

OPERATIONS = ("add", "delete", "cleanup-tag", "cleanup-url", "list", "query", "dirs", "mangle", "type")
#: What makes no sense without a URL.
_OF_A_URL = ("add", "delete", "cleanup-url", "query")
_DIRECTORIES = ("CACHE_DIRECTORY", "GLOBAL_ROOT", "LOCAL_ROOT", "TMP_ROOT", "LOG_ROOT", "GLOBAL_DIR", "LOCAL_DIR")


@command("cache", summary="files that jobs keep by their URLs", drop_in="globus-gass-cache")
@argument("operation", metavar="OPERATION", type=click.Choice(OPERATIONS), help=f"One of {', '.join(OPERATIONS)}.")
@argument("url", metavar="[URL]", required=False, completion="url", help="The URL of an entry.")
@option(
    "-t", "-tag", "--tag", parity=SAME, metavar="TAG", default="", help="Whose reference it is. [default: the tag null]"
)
@option("-n", "-newname", "--name", parity=SAME, metavar="NAME", default="", help="add: keep the file under this name.")
@option("-long", "--long", parity=SAME, is_flag=True, help="list: tell sizes and mangled names as well.")
@option(
    "-r", "-resource", "--resource", parity=BETTER, metavar="CONTACT", default=None,
    remark="also for list; what goes wrong there is on stderr, and in the exit status",
    help="Use the cache at this gatekeeper's machine, through a job.",
)  # fmt: skip
def cache(
    *, output: Output, operation: str, url: str | None, tag: str, name: str, long: bool, resource: str | None
) -> int | None:
    """Add files to the GASS cache of this machine and delete them, and look into it.

    add fetches URL, unless the cache has it, and counts one more reference to it; delete takes one away, and with the
    last the file. cleanup-tag takes away all references of a tag, from URL or from everything; cleanup-url all
    references to URL. list shows what is there, of URL or TAG if given; query prints the path of the file of URL and
    TAG, or an empty line. dirs, mangle and type tell how it is laid out.
    """
    if url is None and operation in _OF_A_URL:
        raise errors.UsageError(f"cannot {operation}", why="which URL?")
    if name and operation != "add":
        raise errors.UsageError(f"cannot {operation}", why="-n goes with add")
    if resource is not None:
        return _elsewhere(output, resource, operation, url or "", tag, name, long)
    from pyglobus.core.gass.cache import Cache

    _RUN[operation](output, Cache(), url or "", tag, name, long)
    return None


def _elsewhere(output: Output, contact: str, operation: str, url: str, tag: str, name: str, long: bool) -> int:
    """What globus-gass-cache prints there, and its exit status."""
    from pyglobus.core.gass import remotecache

    answer = remotecache.run(contact, operation, url, tag=tag, name=name, long=long)
    lines, told = map(_lines_of, (answer.stdout, answer.stderr))
    for line in told:
        output.warning(printable(line))
    record = {
        "contact": contact, "operation": operation, "url": url or None, "tag": tag or None, "lines": lines,
        "errors": told, "exit_code": answer.status,
    }  # fmt: skip
    output.result("cache_elsewhere", record, "\n".join(lines))
    if output.is_text and lines == [""]:
        output.part("\n")  # of query: there is none
    return answer.status


def _lines_of(text: bytes) -> list[str]:
    return text.decode(errors="surrogateescape").removesuffix("\n").split("\n") if text else []


def _add(output: Output, cache: Cache, url: str, tag: str, name: str, _long: bool) -> None:
    kept = cache.add(url, tag=tag, name=name, fetch=_fetch)
    output.result("cache_add", {"url": name or url, "tag": tag or "null", "path": kept.path, "new": kept.new})


def _fetch(source: str, path: str) -> None:
    from pyglobus.core.transfer import Transfer

    transfer = Transfer(source, path)
    with signals.cancelling(transfer.cancel):
        transfer.run()


def _delete(output: Output, cache: Cache, url: str, tag: str, *_: Any) -> None:
    cache.delete(url, tag=tag)
    output.result("cache_delete", {"url": url, "tag": tag or "null"})


def _cleanup_tag(output: Output, cache: Cache, url: str, tag: str, *_: Any) -> None:
    entries = cache.cleanup_tag(tag, url=url or None)
    output.result("cache_cleanup_tag", {"tag": tag or "null", "entries": entries})


def _cleanup_url(output: Output, cache: Cache, url: str, *_: Any) -> None:
    cache.cleanup_url(url)
    output.result("cache_cleanup_url", {"url": url})


def _list(output: Output, cache: Cache, url: str, tag: str, _name: str, long: bool) -> None:
    entries = cache.entries(url=url or None, tag=tag or None)
    flat = cache.type() == "flat"
    output.result(
        "cache_list",
        {"entries": [entry._asdict() for entry in entries]},
        lambda: "\n".join(line for entry in entries for line in _lines(entry, tag, long=long, flat=flat)),
    )


def _lines(entry: Entry, wanted: str, *, long: bool, flat: bool) -> list[str]:
    """As globus-gass-cache prints them: in a normal cache, a line for each reference of a tag and one more."""
    lines = [f"URL: {entry.url}"]
    if long:
        mangled = entry.mangled.partition("_")[2] if flat else entry.mangled
        lines += [f"\tSize: {entry.size}", f"\tMangled: {mangled}"]
    for tag, references in entry.tags.items():
        if not wanted or tag == wanted:
            lines += [f"\tTag: {tag}"] if flat else [f"\tTag:{tag}"] * (references + 1)
    return lines


def _query(output: Output, cache: Cache, url: str, tag: str, *_: Any) -> None:
    path = cache.query(url, tag=tag)
    output.result("cache_query", {"url": url, "tag": tag or "null", "path": path}, path or "")
    if output.is_text and path is None:
        output.part("\n")


def _dirs(output: Output, cache: Cache, url: str, tag: str, *_: Any) -> None:
    found = cache.directories(url, tag=tag)
    rows = [f"{name}: '{path}'" for name, path in zip(_DIRECTORIES, found, strict=True) if path]
    output.result("cache_dirs", found._asdict(), "\n".join(rows))


def _mangle(output: Output, cache: Cache, url: str, tag: str, *_: Any) -> None:
    found = dict(zip(("url", "tag"), cache.mangle(url, tag=tag), strict=True))
    rows = [f"{name.upper()}: '{mangled}'" for name, mangled in found.items() if mangled]
    output.result("cache_mangle", found, "\n".join(rows))


def _type(output: Output, cache: Cache, *_: Any) -> None:
    found = cache.type()
    output.result("cache_type", {"cache_type": found}, f"CACHE_TYPE: '{found}'")


_RUN = {
    "add": _add, "delete": _delete, "cleanup-tag": _cleanup_tag, "cleanup-url": _cleanup_url, "list": _list,
    "query": _query, "dirs": _dirs, "mangle": _mangle, "type": _type,
}  # fmt: skip
