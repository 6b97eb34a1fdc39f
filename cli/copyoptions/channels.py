# SPDX-License-Identifier: Apache-2.0
"""How data channels are made and used."""

from __future__ import annotations

from pyglobus.cli.copyoptions.section import Section

SECTION = Section("Data channels")
same, better = SECTION.same, SECTION.better

better(
    "-cc -concurrency --concurrency",
    "Copy N files at a time, over N connections.",
    remark="the default suits the job",
    default=0,
    value="N",
)
better(
    "-af -alias-file --alias-file",
    "Hosts that stand for that of all sources (below a line @source) and of all destinations (@destination): each "
    "connection uses the next one.",
    remark="any number of hosts; a file that cannot be read is an error",
    value="FILE",
)
better(
    "-fast -fast-data-channels --reuse-data-channels fast",
    "Use MODE E, which keeps data channels open from file to file.",
    remark="on by itself where several files are copied and the server can",
)
same("-p -parallel --parallel", "Use N data streams at a time (MODE E).", default=0, value="N")
same(
    "-tcp-bs -tcp-buffer-size --tcp-buffer-size tcp_buffer",
    "TCP buffer of the data channels, such as 4M.",
    default=0,
    value="SIZE",
)
same("-bs -block-size --block-size block_size", "Size of the buffers between file and network.", value="SIZE")
same(
    "-notpt -no-third-party-transfers --no-third-party no_third_party",
    "Pass data between two servers through this machine.",
)
better(
    "-pp -pipeline --pipeline pipeline",
    "Accepted for old scripts.",
    remark="what it is for happens by itself where several files are copied",
    expose_value=False,
)
better(
    "-ppq -pipelineq --pipeline-depth pipeline_depth",
    "Accepted for old scripts.",
    remark="as -pp",
    value="N",
    expose_value=False,
)
same(
    "-dp -delayed-pasv --delayed-passive delayed_passive",
    "Let the server choose its data address only when it knows the file.",
)
same("-stripe -striped --striped striped", "Use all the nodes of striped servers.")
same(
    "-sbs -striped-block-size --stripe-block-size stripe_block",
    "With -stripe, blocks of this size in turn; 0 is one part for each node.",
    value="SIZE",
)
same(
    "-allo/-no-allo -allocate/-no-allocate --allocate/--no-allocate allocate",
    "Announce the size of a file before it is sent: the default.",
    default=True,
)
same("-ipv6 -IPv6 --ipv6", "Use IPv6 where there is a choice; an address in a URL says it by itself.")
same(
    "-g2/-no-g2 -gridftp2/-nogridftp2 --gridftp2/--no-gridftp2 gridftp2",
    "Use the commands of GridFTP version 2 (GET and PUT).",
    remark="off by default; where a server lacks them, as the toolkit's own does, it makes no difference",
    default=False,
)
better(
    "-MC -multicast --multicast multicast",
    "Let the destination's server pass the data on to the URLs in FILE, one to a line; without DEST the first of them "
    "gets it from here.",
    remark="always one stream in order; of several the server makes another file, as the C tool does not notice",
    value="FILE",
)
same("-u -udt --udt", "Use UDT for data channels; an error where a server lacks that driver.")
