# SPDX-License-Identifier: Apache-2.0
"""What is shown of a copy while it goes on."""

from __future__ import annotations

from pyglobus.cli.copyoptions.section import Section

SECTION = Section("What is shown")
same, own = SECTION.same, SECTION.own

same("-vb -verbose-perf --classic-rates rates", "Print names, bytes and rates to standard output as the C tool does.")
same("-dbg -debugftp --debug-ftp debug_ftp", "Log the control channel to standard error.")
own(
    "--stats",
    "Print a line of progress to standard error every TIME (30s, 5m) where that is no terminal.",
    value="TIME",
)
