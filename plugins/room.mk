# SPDX-License-Identifier: Apache-2.0
# A plugin is plugins/<kind>/<name>/<name>.la, made by the room.mk of its kind:
#
#   PLUGINS += store/sqlite
#   storeplugin_LTLIBRARIES += plugins/store/sqlite/sqlite.la
#   plugins_store_sqlite_sqlite_la_SOURCES = ...
#   plugins_store_sqlite_sqlite_la_LDFLAGS = $(PLUGIN_LDFLAGS)
#
# with <kind>plugindir = $(pkglibdir)/<kind> once per kind. It is installed there as
# <name>.so; in the build tree plugins.d/<kind>/<name>.so leads to it, so that programs
# and tests find plugins in one directory of the same shape before they are installed.
PLUGINS =

include plugins/store/room.mk
include plugins/auth/room.mk
include plugins/site/room.mk
include plugins/priority/room.mk

PLUGIN_LIBS = $(foreach p,$(PLUGINS),plugins/$(p)/$(notdir $(p)).la)

all-local: plugins.d/stamp
plugins.d/stamp: $(PLUGIN_LIBS)
	$(AM_V_GEN)for p in $(PLUGINS); do \
	    k=`dirname $$p` && n=`basename $$p` && $(MKDIR_P) plugins.d/$$k && \
	    chmod go-w plugins.d plugins.d/$$k && \
	    ln -sf ../../plugins/$$p/.libs/$$n.so plugins.d/$$k/$$n.so || exit 1; \
	done && touch $@

clean-local:
	-rm -rf plugins.d
