/* SPDX-License-Identifier: Apache-2.0
 *
 * A storage interface (DSI) of the GridFTP server that asks a host process for everything: `-dsi pyglobus:SOCKET`, where
 * the host, core/storage/host.py, listens at SOCKET. The server loads it as libglobus_gridftp_server_pyglobus.so. Each
 * session is a process with a connection of its own; it holds no Python and no state of the storage.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bridge.h"
#include "move.h"

/* Seconds that a storage may take for one answer, unless the variable below says otherwise. */
#define PATIENCE 60
#define PATIENCE_VARIABLE "PYGLOBUS_STORAGE_PATIENCE"

/* Milder than what the storage could take for these by itself; each is computed by reading the file. */
#define CHECKSUMS "MD5:10;ADLER32:10;SHA1:10;SHA256:11;SHA512:12;"

static void start_session(globus_gfs_operation_t op, globus_gfs_session_info_t *info)
{
    const char *said = getenv(PATIENCE_VARIABLE);
    int patience = said != NULL ? atoi(said) : 0;
    globus_result_t result;
    pg_bridge *bridge;
    pg_reply reply;
    char *path = NULL, *account = NULL;

    globus_gridftp_server_get_config_string(op, &path);
    globus_gridftp_server_get_session_username(op, &account);
    bridge = pg_bridge_open(path != NULL ? path : "", patience > 0 ? patience : PATIENCE);
    if (bridge == NULL) {
        result = globus_error_put(globus_gfs_ftp_response_error_construct(
            NULL, NULL, 530, "CONFIGURATION_ERROR", "the storage cannot be reached: %s", strerror(errno)));
    } else {
        result = pg_bridge_ask(bridge, PG_HELLO, NULL, info->subject != NULL ? info->subject : "",
                               account != NULL ? account : "", &reply, NULL, NULL, NULL);
    }
    if (result == GLOBUS_SUCCESS) {
        globus_gridftp_server_set_checksum_support(op, CHECKSUMS);
        globus_gridftp_server_finished_session_start(op, GLOBUS_SUCCESS, bridge, NULL, "/");
    } else {
        pg_bridge_close(bridge);
        globus_gridftp_server_finished_session_start(op, result, NULL, NULL, NULL);
    }
    free(path);
    free(account);
}

static void end_session(void *session)
{
    pg_bridge_close(session);
}

/* Commands ---------------------------------------------------------------------------------------------------------- */

/* What the host is asked for a command; 0: nothing fits. */
static uint32_t verb_of(const globus_gfs_command_info_t *info, int64_t numbers[3])
{
    switch (info->command) {
    case GLOBUS_GFS_CMD_MKD:
        return PG_MAKE_DIRECTORY;
    case GLOBUS_GFS_CMD_RMD:
        return PG_REMOVE_DIRECTORY;
    case GLOBUS_GFS_CMD_DELE:
        return PG_REMOVE;
    case GLOBUS_GFS_CMD_SITE_RDEL:
        return PG_REMOVE_TREE;
    case GLOBUS_GFS_CMD_RNTO:
        return PG_RENAME;
    case GLOBUS_GFS_CMD_SITE_SYMLINK:
        return PG_LINK;
    case GLOBUS_GFS_CMD_SITE_CHMOD:
        numbers[0] = info->chmod_mode;
        return PG_CHANGE_MODE;
    case GLOBUS_GFS_CMD_SITE_UTIME:
        numbers[0] = info->utime_time;
        return PG_CHANGE_TIME;
    case GLOBUS_GFS_CMD_TRNC:
        numbers[0] = info->cksm_offset;
        return PG_TRUNCATE;
    case GLOBUS_GFS_CMD_CKSM:
        numbers[0] = info->cksm_offset;
        numbers[1] = info->cksm_length;
        return PG_CHECKSUM;
    default:
        return 0;
    }
}

static void command(globus_gfs_operation_t op, globus_gfs_command_info_t *info, void *session)
{
    int64_t numbers[3] = {0, 0, 0};
    uint32_t verb = verb_of(info, numbers);
    const char *first = info->pathname, *second = NULL, *text = NULL;
    char *answer = NULL;
    globus_result_t result;
    size_t length = 0;
    pg_reply reply;

    if (verb == PG_RENAME)
        first = info->from_pathname, second = info->pathname;
    else if (verb == PG_LINK)
        second = info->from_pathname;
    else if (verb == PG_CHECKSUM)
        second = info->cksm_alg;
    if (verb == 0)
        result = globus_error_put(globus_gfs_ftp_response_error_construct(
            NULL, NULL, 500, "NOT_IMPLEMENTED", "this storage has no such command"));
    else
        result = pg_bridge_ask(session, verb, numbers, first, second, &reply, &text, &length, NULL);
    if (result == GLOBUS_SUCCESS && verb == PG_CHECKSUM)
        answer = strndup(text, length);
    else if (result == GLOBUS_SUCCESS && verb == PG_MAKE_DIRECTORY)
        answer = strdup(info->pathname);
    globus_gridftp_server_finished_command(op, result, answer);
    free(answer);
}

/* Listings ---------------------------------------------------------------------------------------------------------- */

typedef struct {
    globus_gfs_stat_t *items;
    int                count;
    int                room;
} pg_listing;

static void forget(pg_listing *listing)
{
    for (int i = 0; i < listing->count; i++) {
        free(listing->items[i].name);
        free(listing->items[i].symlink_target);
    }
    free(listing->items);
}

static int add(pg_listing *listing, const pg_entry *entry, const char *name, const char *target)
{
    globus_gfs_stat_t *item;

    if (listing->count == listing->room) {
        int room = listing->room ? 2 * listing->room : 64;
        globus_gfs_stat_t *items = realloc(listing->items, room * sizeof *items);
        if (items == NULL)
            return 0;
        listing->items = items;
        listing->room = room;
    }
    item = memset(&listing->items[listing->count], 0, sizeof *item);
    item->mode = (int)entry->mode;
    item->nlink = (int)entry->links;
    item->size = entry->size;
    item->mtime = entry->modified;
    item->atime = entry->accessed;
    item->ctime = entry->changed;
    item->dev = (int)entry->device;
    item->ino = (int)entry->inode;
    item->uid = entry->owner < 0 ? geteuid() : (uid_t)entry->owner;
    item->gid = entry->group < 0 ? getegid() : (gid_t)entry->group;
    item->link_mode = (int)entry->target_mode;
    if (*target && entry->target_mode == 0)
        item->error = GLOBUS_GRIDFTP_SERVER_CONTROL_STAT_INVALIDLINK;
    item->name = strdup(name);
    item->symlink_target = *target ? strdup(target) : NULL;
    listing->count++;
    return item->name != NULL && (!*target || item->symlink_target != NULL);
}

/* All entries of a reply; whether they make sense and there is memory for them. */
static int add_all(pg_listing *listing, const pg_reply *reply, const char *text, size_t length)
{
    for (uint32_t i = 0; i < reply->entries; i++) {
        const char *name = text + sizeof(pg_entry), *target;
        pg_entry entry;
        if (length < sizeof entry)
            return 0;
        memcpy(&entry, text, sizeof entry);
        if (entry.bytes > length || entry.bytes < sizeof entry + 2)
            return 0;
        target = memchr(name, '\0', entry.bytes - sizeof entry);
        if (target == NULL || memchr(target + 1, '\0', text + entry.bytes - target - 1) == NULL)
            return 0;
        if (!add(listing, &entry, name, target + 1))
            return 0;
        text += entry.bytes;
        length -= entry.bytes;
    }
    return 1;
}

static void look(globus_gfs_operation_t op, globus_gfs_stat_info_t *info, void *session)
{
    int64_t numbers[3] = {!info->use_symlink_info, 0, 0};
    uint32_t verb = PG_STAT;
    pg_listing listing = {0};
    globus_result_t result;
    const char *text;
    pg_reply reply;
    size_t length;

    result = pg_bridge_ask(session, PG_STAT, numbers, info->pathname, NULL, &reply, &text, &length, NULL);
    if (result == GLOBUS_SUCCESS && !add_all(&listing, &reply, text, length))
        result = GlobusGFSErrorGeneric("the storage does not answer sensibly");
    if (result == GLOBUS_SUCCESS && !info->file_only && listing.count == 1 && S_ISDIR(listing.items[0].mode)) {
        if (!info->include_path_stat) { /* as itself: globus-url-copy cannot read a listing with nothing in it */
            free(listing.items[0].name);
            listing.items[0].name = strdup(".");
        }
        verb = PG_LIST;
        result = pg_bridge_send(session, verb, numbers, info->pathname, NULL, -1);
    }
    while (verb == PG_LIST && result == GLOBUS_SUCCESS) {
        result = pg_bridge_receive(session, &reply, &text, &length, NULL);
        if (result == GLOBUS_SUCCESS && !add_all(&listing, &reply, text, length))
            result = GlobusGFSErrorGeneric("the storage does not answer sensibly");
        if (result == GLOBUS_SUCCESS && reply.status != PG_MORE)
            break;
    }
    globus_gridftp_server_finished_stat(op, result, listing.items, listing.count);
    forget(&listing);
}

static void send_file(globus_gfs_operation_t op, globus_gfs_transfer_info_t *info, void *session)
{
    pg_move_out(op, session, info);
}

static void receive_file(globus_gfs_operation_t op, globus_gfs_transfer_info_t *info, void *session)
{
    pg_move_in(op, session, info);
}

static void event(globus_gfs_event_info_t *info, void *session)
{
    pg_move_event(info);
}

/* The module -------------------------------------------------------------------------------------------------------- */

static globus_gfs_storage_iface_t interface = {
    .descriptor = GLOBUS_GFS_DSI_DESCRIPTOR_SENDER | GLOBUS_GFS_DSI_DESCRIPTOR_SETS_ERROR_RESPONSES,
    .init_func = start_session,
    .destroy_func = end_session,
    .send_func = send_file,
    .recv_func = receive_file,
    .trev_func = event,
    .command_func = command,
    .stat_func = look,
};

static globus_version_t version = {1, 0, 0, 0};

static int activate(void);
static int deactivate(void);

__attribute__((visibility("default"))) GlobusExtensionDefineModule(globus_gridftp_server_pyglobus) = {
    "globus_gridftp_server_pyglobus", activate, deactivate, NULL, NULL, &version};

static int activate(void)
{
    return globus_extension_registry_add(GLOBUS_GFS_DSI_REGISTRY, "pyglobus",
                                         GlobusExtensionMyModule(globus_gridftp_server_pyglobus), &interface);
}

static int deactivate(void)
{
    globus_extension_registry_remove(GLOBUS_GFS_DSI_REGISTRY, "pyglobus");
    return GLOBUS_SUCCESS;
}
