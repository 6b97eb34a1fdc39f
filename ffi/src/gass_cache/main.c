/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process for one use of a GASS cache: what is asked comes on standard input, what is found goes to standard output.
 *
 *   in    operation, URL, tag             each ends with a NUL; an empty URL or tag is none
 *   out   code, count, strings            "CODE COUNT\n", then so many strings that end with a NUL
 *   in    one byte, after "add" alone     'd': the file is whole; anything else, or the end: take the entry back
 *   out   code, count, strings            what came of that
 *
 * Codes are the library's: 0 and above is success. With a negative one the only string is the library's text.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "globus_common.h"
#include "globus_gass_cache.h"

/* A URL and a tag may have so many bytes each: the library builds names in buffers of PATH_MAX. */
#define WORD_LIMIT 4096
/* One library call removes one reference; this many are more than any entry has. */
#define REFERENCE_LIMIT 100000

static globus_gass_cache_t cache;

static void
answer(int code, int count, char **strings)
{
    if (code < 0)
    {
        printf("%d 1\n%s%c", code, globus_gass_cache_error_string(code), '\0');
    }
    else
    {
        int i;

        printf("%d %d\n", code, count);
        for (i = 0; i < count; i++)
        {
            printf("%s%c", strings[i] != NULL ? strings[i] : "", '\0');
        }
    }
    fflush(stdout);
}

static char *
word(char *memory)
{
    int length = 0;
    int c;

    while ((c = getchar()) != EOF && length < WORD_LIMIT)
    {
        memory[length++] = (char) c;
        if (c == '\0')
        {
            return memory;
        }
    }
    exit(2);
}

/*
 * Take one reference away, while the entry is ours. globus_gass_cache_delete() leaves an entry locked that has other
 * references: it looks for the file under its usual name, which a locked entry has not, and does not rename it back.
 * Then all others would wait for five minutes; so it is released here.
 */
static int
release_one(const char *url, const char *tag, unsigned long stamp)
{
    char *          file = NULL;
    unsigned long   unused;
    int             failed = globus_gass_cache_delete(cache, url, tag, stamp, GLOBUS_TRUE);
    int             ready = globus_gass_cache_add_done(cache, url, tag, stamp);

    if (failed == GLOBUS_SUCCESS || ready == GLOBUS_SUCCESS)
    {
        return GLOBUS_SUCCESS;
    }
    /* The entry is gone, as it should be, or something is wrong. */
    ready = globus_gass_cache_query(cache, url, tag, GLOBUS_FALSE, &unused, &file, NULL);
    free(file);
    return ready == GLOBUS_GASS_CACHE_URL_NOT_FOUND ? GLOBUS_SUCCESS : failed;
}

static int
has_tag(const char *url, const char *tag)
{
    char *          file = NULL;
    unsigned long   unused;
    int             code = globus_gass_cache_query(cache, url, tag, GLOBUS_FALSE, &unused, &file, NULL);

    free(file);
    return code == GLOBUS_SUCCESS;
}

static int
delete(const char *url, const char *tag, int all)
{
    unsigned long   stamp = GLOBUS_GASS_CACHE_TIMESTAMP_UNKNOWN;
    int             limit = all ? REFERENCE_LIMIT : 1;
    int             code = GLOBUS_SUCCESS;

    if (!has_tag(url, tag))
    {
        return GLOBUS_GASS_CACHE_ERROR_URL_NOT_FOUND;
    }
    while (code == GLOBUS_SUCCESS && limit-- > 0 && has_tag(url, tag))
    {
        code = globus_gass_cache_delete_start(cache, url, tag, &stamp);
        if (code == GLOBUS_SUCCESS)
        {
            code = release_one(url, tag, stamp);
        }
        else if (code == GLOBUS_GASS_CACHE_ERROR_URL_NOT_FOUND)
        {
            code = GLOBUS_SUCCESS;      /* somebody else has removed it meanwhile */
        }
    }
    return code;
}

static void
add(const char *url, const char *tag)
{
    unsigned long   stamp = GLOBUS_GASS_CACHE_TIMESTAMP_UNKNOWN;
    char *          file = NULL;
    int             code = globus_gass_cache_add(cache, url, tag, GLOBUS_TRUE, &stamp, &file);

    answer(code, 1, &file);
    if (code == GLOBUS_GASS_CACHE_ADD_NEW || code == GLOBUS_GASS_CACHE_ADD_EXISTS)
    {
        if (getchar() == 'd')
        {
            code = globus_gass_cache_add_done(cache, url, tag, stamp);
        }
        else
        {
            code = release_one(url, tag, stamp);
        }
        answer(code, 0, NULL);
    }
    free(file);
}

static void
query(const char *url, const char *tag)
{
    unsigned long   stamp;
    char *          file = NULL;
    int             code = globus_gass_cache_query(cache, url, tag, GLOBUS_FALSE, &stamp, &file, NULL);

    /* What the library calls an error here is an entry without this tag: its codes end far above. */
    if (code < GLOBUS_GASS_CACHE_ERROR_QUOTA_EXCEEDED)
    {
        code = GLOBUS_GASS_CACHE_URL_NOT_FOUND;
    }
    answer(code, 1, &file);
    free(file);
}

static void
mangle(const char *url, const char *tag)
{
    char *  strings[2] = {NULL, NULL};
    int     length;
    int     code = GLOBUS_SUCCESS;

    if (url != NULL)
    {
        code = globus_gass_cache_mangle_url(cache, url, &strings[0], &length);
    }
    if (code == GLOBUS_SUCCESS && tag != NULL)
    {
        code = globus_gass_cache_mangle_tag(cache, tag, &strings[1], &length);
    }
    answer(code, 2, strings);
    free(strings[0]);
    free(strings[1]);
}

static void
directories(const char *url, const char *tag)
{
    char *  strings[7] = {NULL};
    int     code = globus_gass_cache_get_cache_dir(cache, &strings[0]);
    int     i;

    if (code == GLOBUS_SUCCESS)
    {
        code = globus_gass_cache_get_dirs(
            cache, url, tag, &strings[1], &strings[2], &strings[3], &strings[4], &strings[5], &strings[6]);
    }
    answer(code, 7, strings);
    for (i = 0; i < 7; i++)
    {
        free(strings[i]);
    }
}

static void
type(void)
{
    char *  string = NULL;
    int     code = globus_gass_cache_get_cache_type_string(cache, &string);

    answer(code, 1, &string);
    free(string);
}

int
main(void)
{
    static char operation[WORD_LIMIT], url_word[WORD_LIMIT], tag_word[WORD_LIMIT];
    const char *url, *tag;
    int         code;

    word(operation);
    url = *word(url_word) ? url_word : NULL;
    tag = *word(tag_word) ? tag_word : NULL;
    globus_thread_set_model("none");
    if ((code = globus_module_activate(GLOBUS_GASS_CACHE_MODULE)) != GLOBUS_SUCCESS)
    {
        return 2;
    }
    if ((code = globus_gass_cache_open(NULL, &cache)) != GLOBUS_SUCCESS)
    {
        answer(code, 0, NULL);
        return 0;
    }
    if (strcmp(operation, "add") == 0)
    {
        add(url, tag);
    }
    else if (strcmp(operation, "delete") == 0 || strcmp(operation, "delete-all") == 0)
    {
        answer(delete(url, tag, strcmp(operation, "delete-all") == 0), 0, NULL);
    }
    else if (strcmp(operation, "query") == 0)
    {
        query(url, tag);
    }
    else if (strcmp(operation, "mangle") == 0)
    {
        mangle(url, tag);
    }
    else if (strcmp(operation, "directories") == 0)
    {
        directories(url, tag);
    }
    else if (strcmp(operation, "type") == 0)
    {
        type();
    }
    globus_gass_cache_close(&cache);
    globus_module_deactivate_all();
    return 0;
}
