# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += src/guest/libguest.a
src_guest_libguest_a_SOURCES = \
    src/guest/account.c src/guest/account.h \
    src/guest/capture.c src/guest/capture.h src/guest/waiting.c src/guest/waiting.h \
    src/guest/environment.c src/guest/environment.h \
    src/guest/guest.c src/guest/guest.h \
    src/guest/guest_job.c \
    src/guest/keep.c src/guest/keep.h \
    src/guest/mount.c src/guest/mount.h \
    src/guest/notice.c src/guest/notice.h \
    src/guest/port.c src/guest/port.h \
    src/guest/presence.c src/guest/presence.h \
    src/guest/remote.c src/guest/remote.h \
    src/guest/script.c src/guest/script.h \
    src/guest/ticket.c src/guest/ticket.h

GUEST_LIBS = src/guest/libguest.a src/codec/libcodec.a src/model/libmodel.a $(LOOP_LIBS) $(BASE_LIBS) $(JANSSON_LIBS)

# One file that runs in any guest of this architecture, if the static libraries are there. The
# linker then warns of getaddrinfo and its like: they are libevent's, and never called.
sbin_PROGRAMS += vdi-runner
vdi_runner_SOURCES = src/guest/runner.c
vdi_runner_LDFLAGS = $(AM_LDFLAGS) $(RUNNER_LDFLAGS)
vdi_runner_LDADD = src/guest/libguest.a src/codec/libcodec.a src/model/libmodel.a src/loop/libloop.a $(BASE_LIBS) \
    $(JANSSON_LIBS) $(RUNNER_EVENT_LIBS)

UNIT_TESTS += tests/unit/guest/test_account
tests_unit_guest_test_account_SOURCES = tests/unit/guest/test_account.c
tests_unit_guest_test_account_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_guest_test_account_LDADD = $(GUEST_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/guest/test_capture
tests_unit_guest_test_capture_SOURCES = tests/unit/guest/test_capture.c
tests_unit_guest_test_capture_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_guest_test_capture_LDADD = $(GUEST_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/guest/test_mount
tests_unit_guest_test_mount_SOURCES = tests/unit/guest/test_mount.c
tests_unit_guest_test_mount_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_guest_test_mount_LDADD = $(GUEST_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/guest/test_presence
tests_unit_guest_test_presence_SOURCES = tests/unit/guest/test_presence.c
tests_unit_guest_test_presence_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_guest_test_presence_LDADD = $(GUEST_LIBS) $(CMOCKA_LIBS)

if HAVE_PYTHON3
TESTS += tests/t2100-runner.t tests/t2110-runner-mounts.t tests/t5100-runner-chaos.t
endif
EXTRA_DIST += tests/t2100-runner.t tests/t2110-runner-mounts.t tests/t5100-runner-chaos.t tests/lib/runner.py

# The desktop of the demo image. Its libraries go into the image with it.
noinst_LIBRARIES += src/guest/libpicture.a
src_guest_libpicture_a_SOURCES = \
    src/guest/picture_canvas.c src/guest/picture_canvas.h \
    src/guest/picture_input.c src/guest/picture_input.h \
    src/guest/picture_qr.c src/guest/picture_qr.h \
    src/guest/picture_scene.c src/guest/picture_scene.h \
    src/guest/picture_screen.c src/guest/picture_screen.h \
    src/guest/picture_text.c src/guest/picture_text.h
src_guest_libpicture_a_CFLAGS = $(AM_CFLAGS) $(DRM_CFLAGS) $(FREETYPE_CFLAGS) $(QRENCODE_CFLAGS)
PICTURE_LIBS = src/guest/libpicture.a src/loop/libloop.a $(BASE_LIBS) $(DRM_LIBS) \
    $(FREETYPE_LIBS) $(QRENCODE_LIBS) -levent_core -lpthread

bin_PROGRAMS += vdi-picture
vdi_picture_SOURCES = src/guest/picture.c
vdi_picture_LDADD = $(PICTURE_LIBS)

UNIT_TESTS += tests/unit/guest/test_picture
tests_unit_guest_test_picture_SOURCES = tests/unit/guest/test_picture.c
tests_unit_guest_test_picture_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_guest_test_picture_LDADD = $(PICTURE_LIBS) $(CMOCKA_LIBS)
