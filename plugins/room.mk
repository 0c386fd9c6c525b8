# SPDX-License-Identifier: Apache-2.0
PLUGINS =

include plugins/auth/room.mk
