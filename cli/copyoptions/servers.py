# SPDX-License-Identifier: Apache-2.0
"""What GridFTP servers are told about their own insides."""

from __future__ import annotations

from pyglobus.cli.copyoptions.section import Section

SECTION = Section("Inside GridFTP servers")
same, better = SECTION.same, SECTION.better

same("-mn -module-name --module module", "The storage module of both servers.", value="NAME")
same("-mp -module-parameters --module-arguments module_arguments", "Its arguments.", value="TEXT")
same("-smn -src-module-name --source-module", "That of the source.", value="NAME")
same("-smp -src-module-parameters --source-module-arguments", "Its arguments.", value="TEXT")
same("-dmn -dst-module-name --dest-module", "That of the destination.", value="NAME")
same("-dmp -dst-module-parameters --dest-module-arguments", "Its arguments.", value="TEXT")
same(
    "-dcstack -data-channel-stack --data-stack net_stack",
    "XIO drivers of the data channels at both servers, bottom first (tcp,gsi).",
    value="DRIVERS",
)
same(
    "-src-dcstack -source-data-channel-stack --source-data-stack source_net_stack",
    "Those at the source.",
    value="DRIVERS",
)
same(
    "-dst-dcstack -dest-data-channel-stack --dest-data-stack dest_net_stack",
    "Those at the destination.",
    value="DRIVERS",
)
same("-fsstack -file-system-stack --file-stack disk_stack", "XIO drivers of the disk at both servers.", value="DRIVERS")
same(
    "-src-fsstack -source-file-system-stack --source-file-stack source_disk_stack",
    "Those at the source.",
    value="DRIVERS",
)
same(
    "-dst-fsstack -dest-file-system-stack --dest-file-stack dest_disk_stack",
    "Those at the destination.",
    value="DRIVERS",
)
better(
    "-P -pipe --pipe",
    "Let both servers run COMMAND, which makes or takes the data; servers must allow it.",
    remark="any command; the C tool needs one that contains a separator",
    value="COMMAND",
)
better(
    "-SP -src-pipe --source-pipe",
    "Let the source's server run it, and send what it prints.",
    remark="any command; the C tool needs one that contains a separator",
    value="COMMAND",
)
better(
    "-DP -dst-pipe --dest-pipe",
    "Let the destination's server run it, and feed it the data.",
    remark="any command; the C tool needs one that contains a separator",
    value="COMMAND",
)
same("-aa -authz-assert --assertion assertion", "Show both servers the authorization assertion in FILE.", value="FILE")
same("-saa -src-authz-assert --source-assertion", "Show one to the source's server.", value="FILE")
same("-daa -dst-authz-assert --dest-assertion", "Show one to the destination's server.", value="FILE")
same("-cache-aa -cache-authz-assert --keep-assertion keep_assertion", "Let both servers keep it for later transfers.")
same("-cache-saa -cache-src-authz-assert --keep-source-assertion", "Let the source's server keep it.")
same("-cache-daa -cache-dst-authz-assert --keep-dest-assertion", "Let the destination's server keep it.")
_NETLOGGER = "asks servers for the driver as the C tool does; no release has had it, nor the plugin that evaluates it"
SECTION.impossible(
    "-nlb -nl-bottleneck --netlogger",
    "Let both servers measure network and disk by their XIO driver netlogger (third party only).",
    remark=_NETLOGGER,
)
SECTION.impossible(
    "-nli -nl-interval --netlogger-interval", "The same, with one report in N.", remark="as -nlb", value="N"
)
SECTION.impossible(
    "-CP -plugin --plugin plugins",
    "Names of plugins, with commas between them, that the C tool would load; a warning tells that they are not used.",
    remark="plugins register in globus-url-copy itself; none is known, and without them that tool goes on as well",
    value="NAMES",
)
SECTION.impossible(
    "-X -extentions --extension",
    "The library that the C tool would hand the whole job to: an error.",
    remark="extensions register in globus-url-copy itself; none is known, and without it that tool fails as well",
    value="NAME",
)
