# SPDX-License-Identifier: Apache-2.0
"""The options of a copy, one table for each section of the help, and what the core makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pyglobus.cli.command import BETTER, SAME, option
from pyglobus.cli.option import Callback
from pyglobus.cli.values import COUNT, DURATION, SIZE
from pyglobus.core import errors

if TYPE_CHECKING:
    from pyglobus.core.options import Options, Side

DATA = "Data channels"
SECURITY = "Security"
FAULTS = "Faults and time limits"
PART = "What is copied"
SERVER = "Inside GridFTP servers"

_PART = (
    option(
        "-off",
        "-partial-offset",
        "--offset",
        type=SIZE,
        default=0,
        metavar="BYTES",
        section=PART,
        parity=SAME,
        help="Begin at this offset, at both ends.",
    ),
    option(
        "-len",
        "-partial-length",
        "--length",
        type=SIZE,
        metavar="BYTES",
        section=PART,
        parity=SAME,
        help="Copy so many bytes only.",
    ),
    option(
        "-cd",
        "-create-dest",
        "--create-dest",
        "create_dest",
        is_flag=True,
        section=PART,
        parity=SAME,
        help="Make the destination's directory, and those above it, if they are missing.",
    ),
    option(
        "--inplace",
        is_flag=True,
        section=PART,
        help="Write a local destination under its own name from the first byte, without a temporary file.",
    ),
    option(
        "-a",
        "-ascii",
        "--ascii",
        is_flag=True,
        section=PART,
        parity=SAME,
        help="Convert line ends between this system's form and that of the network.",
    ),
    option("-b", "-binary", "--binary", is_flag=True, section=PART, parity=SAME, help="Convert nothing: the default."),
    option(
        "-rp",
        "-relative-paths",
        "--relative-paths",
        "relative",
        is_flag=True,
        section=PART,
        parity=SAME,
        help="Read paths of FTP URLs as relative to the login's directory; those that begin with %2F are not.",
    ),
)

_DATA = (
    option(
        "-fast",
        "-fast-data-channels",
        "--reuse-data-channels",
        "fast",
        is_flag=True,
        section=DATA,
        parity=BETTER,
        remark="on by itself where several files are copied and the server can",
        help="Use MODE E, which keeps data channels open from file to file.",
    ),
    option(
        "-p",
        "-parallel",
        "--parallel",
        type=COUNT,
        default=0,
        metavar="N",
        section=DATA,
        parity=SAME,
        help="Use N data streams at a time (MODE E).",
    ),
    option(
        "-tcp-bs",
        "-tcp-buffer-size",
        "--tcp-buffer-size",
        "tcp_buffer",
        type=SIZE,
        default=0,
        metavar="SIZE",
        section=DATA,
        parity=SAME,
        help="TCP buffer of the data channels, such as 4M.",
    ),
    option(
        "-bs",
        "-block-size",
        "--block-size",
        "block_size",
        type=SIZE,
        metavar="SIZE",
        section=DATA,
        parity=SAME,
        help="Size of the buffers between file and network.",
    ),
    option(
        "-notpt",
        "-no-third-party-transfers",
        "--no-third-party",
        "no_third_party",
        is_flag=True,
        section=DATA,
        parity=SAME,
        help="Pass data between two servers through this machine.",
    ),
    option(
        "-pp",
        "-pipeline",
        "--pipeline",
        "pipeline",
        is_flag=True,
        section=DATA,
        parity=BETTER,
        expose_value=False,
        remark="what it is for happens by itself where several files are copied",
        help="Accepted for old scripts.",
    ),
    option(
        "-ppq",
        "-pipelineq",
        "--pipeline-depth",
        "pipeline_depth",
        type=COUNT,
        metavar="N",
        section=DATA,
        parity=BETTER,
        expose_value=False,
        remark="as -pp",
        help="Accepted for old scripts.",
    ),
    option(
        "-dp",
        "-delayed-pasv",
        "--delayed-passive",
        "delayed_passive",
        is_flag=True,
        section=DATA,
        parity=SAME,
        help="Let the server choose its data address only when it knows the file.",
    ),
    option(
        "-stripe",
        "-striped",
        "--striped",
        "striped",
        is_flag=True,
        section=DATA,
        parity=SAME,
        help="Use all the nodes of striped servers.",
    ),
    option(
        "-sbs",
        "-striped-block-size",
        "--stripe-block-size",
        "stripe_block",
        type=SIZE,
        metavar="SIZE",
        section=DATA,
        parity=SAME,
        help="With -stripe, blocks of this size in turn; 0 is one part for each node.",
    ),
    option(
        "-allo/-no-allo",
        "-allocate/-no-allocate",
        "--allocate/--no-allocate",
        "allocate",
        default=True,
        section=DATA,
        parity=SAME,
        help="Announce the size of a file before it is sent: the default.",
    ),
    option(
        "-ipv6",
        "-IPv6",
        "--ipv6",
        is_flag=True,
        section=DATA,
        parity=SAME,
        help="Use IPv6 where there is a choice; an address in a URL says it by itself.",
    ),
    option(
        "-g2/-no-g2",
        "-gridftp2/-nogridftp2",
        "--gridftp2/--no-gridftp2",
        "gridftp2",
        default=False,
        section=DATA,
        parity=SAME,
        help="Use the commands of GridFTP version 2 (GET and PUT).",
    ),
    option(
        "-u",
        "-udt",
        "--udt",
        is_flag=True,
        section=DATA,
        parity=SAME,
        help="Use UDT for data channels; an error where a server lacks that driver.",
    ),
)

_SECURITY = (
    option(
        "-nodcau",
        "-no-data-channel-authentication",
        "--no-data-auth",
        "no_data_auth",
        is_flag=True,
        section=SECURITY,
        parity=SAME,
        help="Do not authenticate data channels.",
    ),
    option(
        "-dcsafe",
        "-data-channel-safe",
        "--data-safe",
        "data_safe",
        is_flag=True,
        section=SECURITY,
        parity=SAME,
        help="Protect data channels against change.",
    ),
    option(
        "-dcpriv",
        "-data-channel-private",
        "--data-private",
        "data_private",
        is_flag=True,
        section=SECURITY,
        parity=SAME,
        help="Encrypt data channels.",
    ),
    option(
        "-s",
        "-subject",
        "--subject",
        metavar="DN",
        section=SECURITY,
        parity=SAME,
        help="The name that both servers must have, instead of their hosts' names.",
    ),
    option(
        "-ss",
        "-source-subject",
        "--source-subject",
        metavar="DN",
        section=SECURITY,
        parity=SAME,
        help="The name that the source's server must have.",
    ),
    option(
        "-ds",
        "-dest-subject",
        "--dest-subject",
        metavar="DN",
        section=SECURITY,
        parity=SAME,
        help="The name that the destination's server must have.",
    ),
    option(
        "--delegate",
        type=click.Choice(["auto", "none", "limited", "full"]),
        default="auto",
        section=SECURITY,
        help="What servers get of your credential: auto is nothing, or a limited proxy where a server cannot do "
        "without; globus-url-copy always hands out a limited one.",
    ),
    option(
        "-cred",
        "--credential",
        "credential",
        metavar="FILE",
        completion="file",
        section=SECURITY,
        parity=SAME,
        help="The proxy or credential file to use at both ends.",
    ),
    option(
        "-sc",
        "-src-cred",
        "--source-credential",
        "source_credential",
        metavar="FILE",
        completion="file",
        section=SECURITY,
        parity=SAME,
        help="The credential file to use at the source.",
    ),
    option(
        "-dc",
        "-dst-cred",
        "--dest-credential",
        "dest_credential",
        metavar="FILE",
        completion="file",
        section=SECURITY,
        parity=SAME,
        help="The credential file to use at the destination.",
    ),
    option(
        "-data-cred",
        "--data-credential",
        "data_credential",
        metavar="FILE",
        section=SECURITY,
        parity=BETTER,
        remark="auto derives a proxy that both ends know, not a self-signed certificate",
        help="The credential of the data channels; auto, the default, derives one from yours.",
    ),
)

_FAULTS = (
    option(
        "-verify-checksum",
        "-checksum",
        "--verify-checksum",
        "verify",
        is_flag=True,
        section=FAULTS,
        parity=SAME,
        help="Compare the checksums of both ends afterwards.",
    ),
    option(
        "-checksum-alg",
        "-algo",
        "--checksum-algorithm",
        "algorithm",
        default="md5",
        metavar="NAME",
        section=FAULTS,
        parity=BETTER,
        remark="also for local files: adler32, sha1, sha256, sha512",
        help="Which checksum: md5, adler32, sha1, sha256 or sha512.",
    ),
    option(
        "-rst",
        "-restart",
        "--restart",
        is_flag=True,
        section=FAULTS,
        parity=BETTER,
        remark="only faults that may pass are retried; local files go on where they stopped",
        help="Try again after a fault that may pass, and go on where it came.",
    ),
    option(
        "-rst-retries",
        "--restart-retries",
        "retries",
        type=COUNT,
        default=5,
        metavar="N",
        section=FAULTS,
        parity=SAME,
        help="How often; 0 is for ever.",
    ),
    option(
        "-rst-interval",
        "--restart-interval",
        "interval",
        type=DURATION,
        default=0.0,
        metavar="TIME",
        section=FAULTS,
        parity=SAME,
        help="Pause before each retry; 0 is exponential.",
    ),
    option(
        "-rst-timeout",
        "--restart-timeout",
        "window",
        type=DURATION,
        default=0.0,
        metavar="TIME",
        section=FAULTS,
        parity=SAME,
        help="How long to keep trying; 0 is without limit.",
    ),
    option(
        "-st",
        "-stall-timeout",
        "--stall-timeout",
        "stall_timeout",
        type=DURATION,
        default=600.0,
        metavar="TIME",
        section=FAULTS,
        parity=SAME,
        help="End a transfer in which nothing moves for so long; 0 never does.",
    ),
    option(
        "--connect-timeout",
        type=DURATION,
        default=60.0,
        metavar="TIME",
        section=FAULTS,
        help="How long a server may take to answer a command.",
    ),
    option(
        "--timeout",
        type=DURATION,
        metavar="TIME",
        section=FAULTS,
        help="End the whole after so long, with exit status 124.",
    ),
)

_SERVERS = (
    option(
        "-mn",
        "-module-name",
        "--module",
        "module",
        metavar="NAME",
        section=SERVER,
        parity=SAME,
        help="The storage module of both servers.",
    ),
    option(
        "-mp",
        "-module-parameters",
        "--module-arguments",
        "module_arguments",
        metavar="TEXT",
        section=SERVER,
        parity=SAME,
        help="Its arguments.",
    ),
    option(
        "-smn",
        "-src-module-name",
        "--source-module",
        metavar="NAME",
        section=SERVER,
        parity=SAME,
        help="That of the source.",
    ),
    option(
        "-smp",
        "-src-module-parameters",
        "--source-module-arguments",
        metavar="TEXT",
        section=SERVER,
        parity=SAME,
        help="Its arguments.",
    ),
    option(
        "-dmn",
        "-dst-module-name",
        "--dest-module",
        metavar="NAME",
        section=SERVER,
        parity=SAME,
        help="That of the destination.",
    ),
    option(
        "-dmp",
        "-dst-module-parameters",
        "--dest-module-arguments",
        metavar="TEXT",
        section=SERVER,
        parity=SAME,
        help="Its arguments.",
    ),
    option(
        "-dcstack",
        "-data-channel-stack",
        "--data-stack",
        "net_stack",
        metavar="DRIVERS",
        section=SERVER,
        parity=SAME,
        help="XIO drivers of the data channels at both servers, bottom first (tcp,gsi).",
    ),
    option(
        "-src-dcstack",
        "-source-data-channel-stack",
        "--source-data-stack",
        "source_net_stack",
        metavar="DRIVERS",
        section=SERVER,
        parity=SAME,
        help="Those at the source.",
    ),
    option(
        "-dst-dcstack",
        "-dest-data-channel-stack",
        "--dest-data-stack",
        "dest_net_stack",
        metavar="DRIVERS",
        section=SERVER,
        parity=SAME,
        help="Those at the destination.",
    ),
    option(
        "-fsstack",
        "-file-system-stack",
        "--file-stack",
        "disk_stack",
        metavar="DRIVERS",
        section=SERVER,
        parity=SAME,
        help="XIO drivers of the disk at both servers.",
    ),
    option(
        "-src-fsstack",
        "-source-file-system-stack",
        "--source-file-stack",
        "source_disk_stack",
        metavar="DRIVERS",
        section=SERVER,
        parity=SAME,
        help="Those at the source.",
    ),
    option(
        "-dst-fsstack",
        "-dest-file-system-stack",
        "--dest-file-stack",
        "dest_disk_stack",
        metavar="DRIVERS",
        section=SERVER,
        parity=SAME,
        help="Those at the destination.",
    ),
    option(
        "-P",
        "-pipe",
        "--pipe",
        metavar="COMMAND",
        section=SERVER,
        parity=BETTER,
        remark="any command; the C tool needs one that contains a separator",
        help="Let both servers run COMMAND, which makes or takes the data; servers must allow it.",
    ),
    option(
        "-SP",
        "-src-pipe",
        "--source-pipe",
        metavar="COMMAND",
        section=SERVER,
        parity=BETTER,
        remark="any command; the C tool needs one that contains a separator",
        help="Let the source's server run it, and send what it prints.",
    ),
    option(
        "-DP",
        "-dst-pipe",
        "--dest-pipe",
        metavar="COMMAND",
        section=SERVER,
        parity=BETTER,
        remark="any command; the C tool needs one that contains a separator",
        help="Let the destination's server run it, and feed it the data.",
    ),
    option(
        "-aa",
        "-authz-assert",
        "--assertion",
        "assertion",
        metavar="FILE",
        section=SERVER,
        parity=SAME,
        help="Show both servers the authorization assertion in FILE.",
    ),
    option(
        "-saa",
        "-src-authz-assert",
        "--source-assertion",
        metavar="FILE",
        section=SERVER,
        parity=SAME,
        help="Show one to the source's server.",
    ),
    option(
        "-daa",
        "-dst-authz-assert",
        "--dest-assertion",
        metavar="FILE",
        section=SERVER,
        parity=SAME,
        help="Show one to the destination's server.",
    ),
    option(
        "-cache-aa",
        "-cache-authz-assert",
        "--keep-assertion",
        "keep_assertion",
        is_flag=True,
        section=SERVER,
        parity=SAME,
        help="Let both servers keep it for later transfers.",
    ),
    option(
        "-cache-saa",
        "-cache-src-authz-assert",
        "--keep-source-assertion",
        is_flag=True,
        section=SERVER,
        parity=SAME,
        help="Let the source's server keep it.",
    ),
    option(
        "-cache-daa",
        "-cache-dst-authz-assert",
        "--keep-dest-assertion",
        is_flag=True,
        section=SERVER,
        parity=SAME,
        help="Let the destination's server keep it.",
    ),
)


def copy_options(callback: Callback) -> Callback:
    """Add all of them to a command; `options_of` takes what they bring."""
    for add in reversed((*_PART, *_DATA, *_SECURITY, *_FAULTS, *_SERVERS)):
        callback = add(callback)
    return callback


def options_of(given: dict[str, Any]) -> Options:
    """What was chosen, as the core has it."""
    from pyglobus.core.options import BLOCK_SIZE, Options, Retry

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
        source=_side(given, "source"),
        destination=_side(given, "dest"),
        retry=Retry(given["retries"], given["interval"], given["window"]) if given["restart"] else None,
        connect_timeout=given["connect_timeout"],
        stall_timeout=given["stall_timeout"],
        timeout=given["timeout"],
        verify=given["verify"],
        checksum_algorithm=given["algorithm"],
    )


def _stripes(given: dict[str, Any]) -> int | None:
    if not given["striped"]:
        return None
    block: int | None = given["stripe_block"]
    return -1 if block is None else block


def _side(given: dict[str, Any], end: str) -> Side:
    """One end: its own choices, else those for both."""
    from pyglobus.core.options import Side

    def chosen(name: str) -> Any:
        return given[f"{end}_{name}"] or given[name]

    return Side(
        subject=chosen("subject"),
        credential=chosen("credential"),
        module=chosen("module"),
        module_arguments=chosen("module_arguments"),
        net_stack=chosen("net_stack") or ("udt" if given["udt"] else None),
        disk_stack=_disk_stack(chosen("disk_stack"), chosen("pipe"), writes=end == "dest"),
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
