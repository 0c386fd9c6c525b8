/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virt_ids.c - as whom QEMU runs, from libvirt's capabilities.
 *
 * <host><secmodel><model>dac</model><baselabel type='kvm'>+64055:+64055</baselabel>
 * (https://libvirt.org/formatcaps.html)
 */
#include <errno.h>
#include <libxml/parser.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "vdid/virt_call.h"

static xmlNodePtr child(xmlNodePtr of, const char *name)
{
    for (xmlNodePtr n = of ? of->children : NULL; n; n = n->next)
        if (n->type == XML_ELEMENT_NODE && !strcmp((const char *)n->name, name))
            return n;
    return NULL;
}

static bool is_dac(xmlNodePtr secmodel)
{
    xmlChar *text = xmlNodeGetContent(child(secmodel, "model"));
    bool is = text && !strcmp((const char *)text, "dac");

    xmlFree(text);
    return is;
}

/* "+UID:+GID" */
static int read_label(const char *label, uint32_t *ret_uid, uint32_t *ret_gid)
{
    char copy[64], *colon;
    uint64_t uid, gid;

    if (!str_copy(copy, sizeof(copy), label) || !(colon = strchr(copy, ':')))
        return -EBADMSG;
    *colon++ = '\0';
    if (str_to_u64(copy + (*copy == '+'), 0, UINT32_MAX - 1, &uid) < 0 ||
        str_to_u64(colon + (*colon == '+'), 0, UINT32_MAX - 1, &gid) < 0)
        return -EBADMSG;
    *ret_uid = (uint32_t)uid;
    *ret_gid = (uint32_t)gid;
    return 0;
}

int virt_read_ids(const char *capabilities, uint32_t *ret_uid, uint32_t *ret_gid)
{
    xmlDocPtr doc = xmlReadMemory(capabilities, (int)strlen(capabilities), "capabilities", NULL,
                                  XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    xmlNodePtr host = doc ? child(xmlDocGetRootElement(doc), "host") : NULL;
    int r = -EBADMSG;

    for (xmlNodePtr n = host ? host->children : NULL; n && r < 0; n = n->next) {
        xmlChar *label;

        if (n->type != XML_ELEMENT_NODE || strcmp((const char *)n->name, "secmodel") || !is_dac(n))
            continue;
        label = xmlNodeGetContent(child(n, "baselabel"));
        r = label ? read_label((const char *)label, ret_uid, ret_gid) : -EBADMSG;
        xmlFree(label);
    }
    xmlFreeDoc(doc);
    return r;
}

int virt_op_ids(virConnectPtr conn, struct virt_call *call)
{
    char *text = virConnectGetCapabilities(conn);
    int r;

    if (!text)
        return virt_call_failed(call, "the capabilities");
    r = virt_read_ids(text, &call->uid, &call->gid);
    free(text);
    if (r < 0)
        error_set(&call->err, r, "libvirt", "libvirt does not say as whom QEMU runs");
    return r;
}
