# SPDX-License-Identifier: Apache-2.0
"""pyglobus sandbox: the local grid of `pyglobus.core.sandbox`, from the shell."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pyglobus.cli.command import Group, Output, argument, option
from pyglobus.cli.option import Callback
from pyglobus.core import errors

if TYPE_CHECKING:
    from pyglobus.core.sandbox import Sandbox

SHELL_FAMILIES = ("sh", "csh", "fish")
#: The services that a sandbox has only if they are asked for.
FURTHER = ("gatekeeper", "slurm", "gass", "pygridftp", "rli", "rls", "myproxy", "myproxy-ca")

sandbox = Group(
    "sandbox",
    summary="a local grid to try things on",
    help="Raise a whole grid on this machine, and take it down without a trace: a certificate authority, a user with a"
    " proxy, and GridFTP servers with GSI and anonymous, on loopback only, in a private directory.",
)


def located(callback: Callback) -> Callback:
    """Add the options that say which sandbox is meant."""
    by_name = option("--name", metavar="NAME", section="Which sandbox", help="The sandbox of that name.")
    by_directory = option(
        *("--dir", "directory"),
        type=click.Path(path_type=Path, file_okay=False),
        metavar="DIR",
        section="Which sandbox",
        help="The sandbox in that directory. Without either it is the one that PYGLOBUS_SANDBOX tells of, or else the"
        " one named default.",
    )
    return by_name(by_directory(callback))


def furnished(callback: Callback) -> Callback:
    """Add the option that asks for more services."""
    return option(
        *("--with", "further"),
        type=click.Choice(FURTHER),
        multiple=True,
        metavar="SERVICE",
        help="Start this as well: gatekeeper, which runs jobs as processes on this machine; slurm,"
        " a batch system that runs them behind the same gatekeeper (root); gass, which serves the data"
        " directory over https; pygridftp, a GridFTP server whose storage is memory; rls, a catalogue of"
        " replicas, and rli, the index that comes with it;"
        " myproxy, which keeps credentials;"
        " myproxy-ca, which issues certificates. Can be given several times.",
    )(callback)


@sandbox.verb("up", summary="start it, or what of it has died")
@located
@furnished
@option("--account", metavar="USER", help="The local account that root's servers act for. [default: nobody]")
def up(
    *, output: Output, name: str | None, directory: Path | None, account: str | None, further: Sequence[str]
) -> None:
    """Start a sandbox that goes on until it is taken down, and say what is where.

    If it is up already, only servers that have died are started again (on new ports), those that --with asks for are
    added, and a proxy that ends soon is made anew. What is left of a sandbox that was killed is cleaned away first.
    """
    from pyglobus.core.sandbox import Sandbox

    grid = Sandbox(**_place(name, directory), run=_services(further), account=account, owned=False)
    changed = grid.start()
    record = {"changed": changed, **grid.status()}
    output.result("sandbox", record, lambda: f"{_described(record)}\n\n{_advice(record)}")


@sandbox.verb("status", summary="what runs, and what is where")
@located
def status(*, output: Output, name: str | None, directory: Path | None) -> None:
    """Show a sandbox: its servers, its user's files, and the directory it serves."""
    record = _find(name, directory).status()
    output.result("sandbox", record, lambda: _described(record))


@sandbox.verb("env", summary="print what a shell needs to use it")
@located
@option(
    "--shell",
    type=click.Choice(SHELL_FAMILIES),
    help="The family of shells to print for. [default: that of SHELL, or else sh]",
)
def env(*, output: Output, name: str | None, directory: Path | None, shell: str | None) -> None:
    """Print commands that give your shell the sandbox's environment: the trusted certificates, the user's proxy, and
    the addresses of the servers.

    To be read with eval "$(pyglobus sandbox env)" in sh, bash and zsh, with eval "`pyglobus sandbox env`" in csh and
    tcsh, and with pyglobus sandbox env | source in fish.
    """
    from pyglobus.core.sandbox import shell as shells
    from pyglobus.core.sandbox.site import DISTURBING

    grid = _find(name, directory)
    grid.renew_proxy()
    family = shell or shells.family(os.environ.get("SHELL", ""))
    record = {"variables": grid.variables, "unset": list(DISTURBING)}
    output.result("environment", record, lambda: shells.script(family, grid.variables, DISTURBING))


@sandbox.verb("exec", summary="run a command in it", interspersed=False, formats=())
@located
@furnished
@argument(
    "command",
    nargs=-1,
    metavar="[COMMAND [ARGUMENT]...]",
    completion="command",
    help="What to run. [default: your shell]",
)
def exec_(
    *, output: Output, name: str | None, directory: Path | None, further: Sequence[str], command: Sequence[str]
) -> int:
    """Run a command with the sandbox's environment, and end with its exit status.

    If no sandbox is up, one is started for the command and taken down after it. One that is up must have what --with
    asks for.
    """
    from pyglobus.core.sandbox import Sandbox

    command = command or (os.environ.get("SHELL", "/bin/sh"),)
    program = _program(command[0])
    try:
        grid = _find(name, directory)
    except errors.NotFound:
        place: dict[str, Any] = {"directory": directory} if directory else {"name": name}
        with Sandbox(**place, run=_services(further)) as temporary:
            output.detail(f"a sandbox for this command is in {temporary.directory}")
            return _run(program, command, temporary)
    if missing := [service for service in further if service not in grid.servers]:
        where, add = str(grid.directory), f"pyglobus sandbox up --with {missing[0]}"
        raise errors.UsageError("the sandbox that is up has no such service", where=where, why=missing[0], hint=add)
    grid.renew_proxy()
    return _become(program, command, grid)


@sandbox.verb("logs", summary="show what the servers say", formats=())
@located
@option("-f", "-follow", "--follow", is_flag=True, help="Go on with what is added, until the sandbox is taken down.")
@argument("service", required=False, metavar="[SERVICE]", help="Only this server, as status names it.")
def logs(*, output: Output, name: str | None, directory: Path | None, follow: bool, service: str | None) -> None:
    """Print the logs of the servers; of several, each line begins with the server's name."""
    from pyglobus.core.sandbox.logs import lines

    servers = _find(name, directory).servers
    if service is not None and service not in servers:
        raise errors.NotFound("no such service", where=service, why=f"there are {', '.join(servers)}")
    chosen = [servers[service]] if service else list(servers.values())
    for said_by, text in lines(chosen, follow=follow):
        output.line(text if len(chosen) == 1 else f"{said_by}: {text}")
        if follow:
            output.flush()


@sandbox.verb("down", summary="stop it and remove all it has made", formats=())
@located
def down(*, output: Output, name: str | None, directory: Path | None) -> None:
    """Stop the servers and remove the sandbox's directory, with the data in it. If there is none, nothing is done."""
    from pyglobus.core.sandbox import Sandbox

    grid = Sandbox(**_place(name, directory), owned=False)
    owner = grid.owner
    if owner is not None and owner.alive:
        raise errors.UsageError(
            "cannot take the sandbox down",
            where=str(grid.directory),
            why=f"it belongs to process {owner.pid}, and ends with it",
        )
    output.note("the sandbox is down" if grid.stop() else f"there is no sandbox in {grid.directory}")


def _place(name: str | None, directory: Path | None) -> dict[str, Any]:
    """The arguments that tell `Sandbox` which one is meant."""
    from pyglobus.core.sandbox.sandbox import DEFAULT_NAME, Sandbox

    if name is not None and directory is not None:
        raise errors.UsageError("--name and --dir exclude each other")
    if directory is not None:
        return {"directory": directory}
    if name is None and (current := os.environ.get("PYGLOBUS_SANDBOX")) and Sandbox(current).exists:
        return {"directory": current}
    return {"name": name or DEFAULT_NAME}


def _services(further: Sequence[str]) -> tuple[str, ...]:
    from pyglobus.core.sandbox.services import DEFAULT

    return (*DEFAULT, *further)


def _find(name: str | None, directory: Path | None) -> Sandbox:
    from pyglobus.core.sandbox import Sandbox

    return Sandbox.find(**_place(name, directory))


def _program(command: str) -> str:
    import shutil

    program = shutil.which(command)
    if program is None:
        raise errors.NotFound("cannot run", where=command, why="there is no such program")
    return program


def _become(program: str, command: Sequence[str], grid: Sandbox) -> int:
    """Turn this process into the command."""
    import signal

    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)  # Python ignores these, and exec would hand that on
    try:
        os.execve(program, list(command), grid.environment(os.environ))  # noqa: S606 - a command is what the user asks for
    except OSError as error:
        raise errors.Error("cannot run", where=program, why=error.strerror, errno=error.errno) from error


def _run(program: str, command: Sequence[str], grid: Sandbox) -> int:
    """Run the command as a child, hand signals on to it, and return its exit status.

    A Ctrl-C reaches the child from the terminal as well as this process: then it is not handed on, and what happens is
    for the child to decide. A signal that comes before there is a child waits for it; while it is being made signals
    are held back, since one from the terminal may already have reached it.
    """
    import signal
    import subprocess

    from pyglobus.cli import signals

    child: subprocess.Popen[bytes] | None = None
    waiting: list[int] = []

    def hand_on(number: int, _frame: object) -> None:
        if child is None:
            waiting.append(number)
        elif number != signal.SIGINT or not _in_foreground():
            child.send_signal(number)

    def let_go() -> None:
        for number in caught:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    mortal = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    caught = [number for number in mortal if signal.getsignal(number) is not signal.SIG_IGN]
    for number in caught:
        signal.signal(number, hand_on)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, mortal)
    try:
        child = subprocess.Popen(list(command), executable=program, env=grid.environment(os.environ), preexec_fn=let_go)
    except OSError as error:
        raise errors.Error("cannot run", where=program, why=error.strerror, errno=error.errno) from error
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    for early in waiting:
        child.send_signal(early)
    status = child.wait()
    grid.stop()
    if -status in mortal:
        signals.die(-status)
    return status if status >= 0 else 128 - status


def _in_foreground() -> bool:
    """Whether what is typed on the terminal signals this process too."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


def _described(record: Mapping[str, Any]) -> str:
    from pyglobus.cli.output import columns

    rows = [
        ("user", f"{record['subject']}, local account {record['account']}"),
        ("certificate", record["certificate"]),
        ("key", record["key"]),
        ("proxy", f"{record['proxy']}, until {record['proxy_end']}" if record["proxy_end"] else "destroyed"),
        ("trusted CAs", record["trusted"]),
        ("data", record["data"]),
        *((server["name"], _server(server)) for server in record["services"]),
    ]
    title = f"sandbox {record['name']}" if record["name"] else "sandbox"
    owner = f", for process {record['owner']}" if record["owner"] else ""
    return f"{title} in {record['directory']}, up since {record['created']}{owner}\n" + columns(
        [("", name, text) for name, text in rows]
    )


def _server(server: Mapping[str, Any]) -> str:
    return f"{server['url']}, process {server['pid']}" if server["alive"] else "not running"


def _advice(record: Mapping[str, Any]) -> str:
    """What to try next, in the words of the user's shell."""
    from pyglobus.core.sandbox import shell

    which = "" if record["name"] == "default" else f" --name {record['name']}"
    if record["name"] is None:
        which = f" --dir {record['directory']}"
    reads = shell.SHELLS[shell.family(os.environ.get("SHELL", ""))].reads
    lines = [
        reads.format(command=f"pyglobus sandbox env{which}"),
        "pyglobus-url-copy /etc/hostname $PYGLOBUS_SANDBOX_GSIFTP/~/hostname",
        f"pyglobus sandbox logs{which} -f",
        f"pyglobus sandbox down{which}",
    ]
    return "try:\n" + "\n".join(f"  {line}" for line in lines)
