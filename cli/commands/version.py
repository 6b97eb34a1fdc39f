# SPDX-License-Identifier: Apache-2.0
"""pyglobus version."""

from __future__ import annotations

from pyglobus.cli.command import Output, command


@command("version", summary="versions of pyglobus and its libraries")
def version(*, output: Output) -> None:
    """List the versions of pyglobus, of Python, of OpenSSL and of every module of the Globus Toolkit in use: what a
    report of a fault should begin with."""
    import platform

    from pyglobus.cli.output import columns
    from pyglobus.core import toolkit
    from pyglobus.core.version import __version__

    modules = {module.name: module.version for module in toolkit.versions()}
    record = {"pyglobus": __version__, "python": platform.python_version(), "modules": modules}
    rows = [("pyglobus", __version__), ("python", platform.python_version()), *modules.items()]
    output.result("versions", record, lambda: columns(rows))
