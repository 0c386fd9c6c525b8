/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch.h - between vdid and its child vdi-fetch, which gets one version of an image.
 *
 *     vdi-fetch DIR FINAL HOST CONNECT RATE CA CERT KEY
 *
 * DIR has image.json, and `source` if the disk is elsewhere; files are made in it, and when all
 * are whole it is renamed to FINAL. HOST is the controller's name and port in URLs, CONNECT what
 * really is connected to, RATE bytes a second (0: any). The first line on stdout says what went
 * wrong. Blobs come from https://HOST/blobs/SHA256.
 */
#ifndef VDID_FETCH_H
#define VDID_FETCH_H

#define FETCH_PROGRAM "vdi-fetch"
#define FETCH_SOURCE_FILE "source"
#define FETCH_MANIFEST_FILE "image.json"

enum fetch_exit {
    FETCH_OK = 0,
    FETCH_FAILED = 1,  /* trying again would be of no use now */
    FETCH_CORRUPT = 2, /* what comes is not what was published, again and again */
    FETCH_FULL = 3,    /* no space left */
};

#endif
