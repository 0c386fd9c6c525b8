/* SPDX-License-Identifier: Apache-2.0 */
/* plot.h - a picture of a replay: units in use and jobs waiting, over time. */
#ifndef VDISIM_PLOT_H
#define VDISIM_PLOT_H

#include "base/buf.h"
#include "vdisim/world.h"

/* Appends an SVG document. */
void plot_write(const struct world *w, struct buf *out);

#endif
