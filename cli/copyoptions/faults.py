# SPDX-License-Identifier: Apache-2.0
"""What is done about faults, and how long anything may take."""

from __future__ import annotations

from pyglobus.cli.copyoptions.section import Section

SECTION = Section("Faults and time limits")
same, better, own = SECTION.same, SECTION.better, SECTION.own

better(
    "-c -continue-on-error --keep-going keep_going",
    "Go on after errors; the exit status is 3 if some files failed.",
    remark="tells what failed, and ends with status 3",
)
better(
    "-verify-checksum -checksum --verify-checksum --checksum verify",
    "Compare the checksums of both ends; only where they agree does a file get its name.",
    remark="what differs is removed; no round trip for each small file of a tree, and both ends at once",
)
better(
    "-checksum-alg -algo --checksum-algorithm algorithm",
    "Which checksum: md5, adler32, sha1, sha256 or sha512.",
    remark="also for local files: adler32, sha1, sha256, sha512",
    default="md5",
    value="NAME",
)
better(
    "-rst -restart --restart",
    "Try again after a fault that may pass, and go on where it came.",
    remark="only faults that may pass are retried; local files go on where they stopped",
)
same("-rst-retries -restart-retries --restart-retries retries", "How often; 0 is for ever.", default=5, value="N")
same(
    "-rst-interval -restart-interval --restart-interval interval",
    "Pause before each retry; 0 is exponential.",
    default=0.0,
    value="TIME",
)
same(
    "-rst-timeout -restart-timeout --restart-timeout window",
    "How long to keep trying; 0 is without limit.",
    default=0.0,
    value="TIME",
)
same(
    "-st -stall-timeout --stall-timeout stall_timeout",
    "End a transfer in which nothing moves for so long; 0 never does.",
    default=600.0,
    value="TIME",
)
better(
    "-t -transfer-time --transfer-time",
    "Stop after so long, wherever the copy is, with status 0: to measure rates.",
    remark="no part of a local file is left under its name",
    value="TIME",
)
own("--connect-timeout", "How long a server may take to answer a command.", default=60.0, value="TIME")
own("--timeout", "End the whole after so long, with exit status 124.", value="TIME")
