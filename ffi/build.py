# SPDX-License-Identifier: Apache-2.0
"""What cffi generates the extension from: the declarations of cdef/ and the headers that prove them.

CMake runs ``python -m cffi.gen_src`` on this file. Each file of cdef/ stands for one header, Globus's or our own; a
new area adds its file here and its C source in CMakeLists.txt, and touches no other.
"""

from pathlib import Path

from cffi import FFI

AREAS = (
    "common",
    "gsi_credential",
    "gssapi",
    "gss_assist",
    "ftp_client",
    "engine",
    "errors",
    "delegation",
    "ftp",
    "gsi",
    "gss",
    "listing",
    "localfile",
    "pipeline",
    "pump",
    "relay",
    "xio",
    "lane",
    "bloom",
    "body",
    "rsl",
    "gram",
    "modules",
)

PRELUDE = """
#include <stdlib.h>
#include <openssl/crypto.h>
#include "globus_common.h"
#include "globus_ftp_client.h"
#include "globus_gsi_credential.h"
#include "globus_gss_assist.h"
#include "globus_rsl.h"
#include "globus_xio.h"
#include "globus_xio_gsi.h"
#include "gssapi.h"
#include "engine.h"
#include "delegation.h"
#include "errors.h"
#include "ftp.h"
#include "gram.h"
#include "gsi.h"
#include "gss.h"
#include "listing.h"
#include "localfile.h"
#include "pipeline.h"
#include "pump.h"
#include "relay.h"
#include "xio.h"
#include "lane.h"
#include "bloom.h"
#include "body.h"
#include "modules.h"
"""

ffibuilder = FFI()
for area in AREAS:
    ffibuilder.cdef((Path(__file__).parent / "cdef" / f"{area}.h").read_text(encoding="ascii"))
ffibuilder.set_source("pyglobus.ffi._globus", PRELUDE)
