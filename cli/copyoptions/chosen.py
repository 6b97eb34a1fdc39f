# SPDX-License-Identifier: Apache-2.0
"""What the options of a copy mean to the core."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyglobus.core import errors

if TYPE_CHECKING:
    from pyglobus.core.options import Options, Side


def options_of(given: dict[str, Any]) -> Options:
    """What was chosen, as the core has it."""
    from pyglobus.core.options import BLOCK_SIZE, Options, Retry

    logger = _netlogger(given)
    return Options(
        parallel=given["parallel"],
        block_size=given["block_size"] or BLOCK_SIZE,
        tcp_buffer=given["tcp_buffer"],
        protection="private" if given["data_private"] else "safe" if given["data_safe"] else "clear",
        authenticate_data=not given["no_data_auth"],
        third_party=not given["no_third_party"],
        reuse_data=given["fast"],
        ascii=given["ascii"],
        ipv6=given["ipv6"],
        gridftp2=given["gridftp2"],
        relative=given["relative"],
        delayed_passive=given["delayed_passive"],
        stripe_block=_stripes(given),
        allocate=given["allocate"],
        data_credential=None if given["data_credential"] == "auto" else given["data_credential"],
        offset=given["offset"],
        length=given["length"],
        delegate=given["delegate"],
        create_directories=given["create_dest"],
        in_place=given["inplace"],
        source=_side(given, "source", logger),
        destination=_side(given, "dest", logger),
        retry=Retry(given["retries"], given["interval"], given["window"]) if given["restart"] else None,
        connect_timeout=given["connect_timeout"],
        stall_timeout=given["stall_timeout"],
        timeout=given["timeout"],
        verify=given["verify"],
        checksum_algorithm=given["algorithm"],
        preserve=given["preserve"],
    )


def _stripes(given: dict[str, Any]) -> int | None:
    if not given["striped"]:
        return None
    block: int | None = given["stripe_block"]
    return -1 if block is None else block


def _netlogger(given: dict[str, Any]) -> str | None:
    """The driver that measures, with what both ends have in common; ``{}`` stands for what it measures."""
    if not given["netlogger"] and given["netlogger_interval"] is None:
        return None
    from uuid import uuid4

    interval = given["netlogger_interval"] or 0
    return f"netlogger:uuid={uuid4()};mask=255;io_type={{}};interval={interval};level=15"


def _side(given: dict[str, Any], end: str, logger: str | None) -> Side:
    """One end: its own choices, else those for both."""
    from pyglobus.core.options import Side

    def chosen(name: str) -> Any:
        return given[f"{end}_{name}"] or given[name]

    net = chosen("net_stack") or ("udt" if given["udt"] else None)
    disk = _disk_stack(chosen("disk_stack"), chosen("pipe"), writes=end == "dest")
    if logger is not None:
        net, disk = f"{net or 'tcp'},{logger.format('net')}", f"{disk or 'file'},{logger.format('disk')}"
    return Side(
        subject=chosen("subject"),
        credential=chosen("credential"),
        module=chosen("module"),
        module_arguments=chosen("module_arguments"),
        net_stack=net,
        disk_stack=disk,
        assertion=_content(chosen("assertion")),
        keep_assertion=given[f"keep_{end}_assertion"] or given["keep_assertion"],
    )


def _disk_stack(stack: str | None, pipe: str | None, *, writes: bool) -> str | None:
    """The drivers of a server's disk; a command takes the place of the file system (the popen driver)."""
    if pipe is None:
        return stack
    mark = next((mark for mark in "#$^*!|%&()'{}" if mark not in pipe), None)
    if mark is None:
        raise errors.UsageError(
            "cannot pass the command on", where=pipe, why="no character is left to separate its words"
        )
    command = "popen:argv=" + "".join(f"{mark}{word}" for word in pipe.split())
    return f"{command},{stack}" if stack else f"{command},ordering" if writes else command


def _content(path: str | None) -> str | None:
    if path is None:
        return None
    from pathlib import Path

    from pyglobus.core.faults import explain

    try:
        return Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise explain(error, what="cannot read the assertion", where=path, role="source") from error
