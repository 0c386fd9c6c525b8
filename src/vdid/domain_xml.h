/* SPDX-License-Identifier: Apache-2.0 */
/* domain_xml.h - libvirt's XML of a domain, and of devices that change or come while it runs. */
#ifndef VDID_DOMAIN_XML_H
#define VDID_DOMAIN_XML_H

#include "vdid/domain_spec.h"

/*
 * The domain. SPICE starts locked: its password is random, unknown and expired,
 * so that nobody gets in before domain_xml_ticket() (without any password libvirt
 * switches authentication off for good). The caller frees.
 */
int domain_xml(const struct domain_spec *spec, char **ret, struct vdi_error *err);
/* The graphics device with a password that opens it until expire_sec (Unix time). */
int domain_xml_ticket(const struct domain_graphics *g, const char *password, int64_t expire_sec,
                      char **ret, struct vdi_error *err);
/* What is plugged into a domain that runs and has a spare place: disk or share number i of the
 * specification, as if it had been there from the start. The caller frees. */
int domain_xml_disk(const char *file, uint32_t i, char **ret, struct vdi_error *err);
int domain_xml_share(const char *socket, uint32_t i, char **ret, struct vdi_error *err);

#endif
