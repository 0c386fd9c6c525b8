/* SPDX-License-Identifier: Apache-2.0 */
/* test_sqlite_schema.c - migrations up and down, on steps made for this test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>

#include "plugins/store/sqlite/schema.h"

static const struct schema_step steps[] = {
    {1, "0.1.0", "CREATE TABLE a(x); INSERT INTO a VALUES(7)", "DROP TABLE a"},
    {2, "0.2.0", "ALTER TABLE a ADD COLUMN y DEFAULT 5; CREATE TABLE b(z)",
     "ALTER TABLE a DROP COLUMN y; DROP TABLE b"},
    {3, "0.3.0", "CREATE TABLE c(z); CREATE TABLE b(z)", "DROP TABLE c"}, /* b is there: fails */
};

static int64_t number(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *st;
    int64_t n = -1;

    if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
        n = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return n;
}

static void assert_version(sqlite3 *db, uint32_t want, const char *want_release)
{
    char release[SCHEMA_META_MAX] = "";
    uint32_t version = 99;

    assert_int_equal(schema_version(db, &version, release), 0);
    assert_int_equal(version, want);
    assert_string_equal(release, want_release);
    assert_int_equal(number(db, "PRAGMA user_version"), want);
}

static void test_up_and_down(void **state)
{
    struct vdi_error err = {0};
    sqlite3 *db;

    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    assert_int_equal(schema_migrate(db, steps, 2, 0, 1, &err), 0);
    assert_version(db, 1, "0.1.0");
    assert_int_equal(schema_migrate(db, steps, 2, 1, 2, &err), 0);
    assert_version(db, 2, "0.2.0");
    assert_int_equal(number(db, "SELECT x * 10 + y FROM a"), 75);
    assert_int_equal(schema_migrate(db, steps, 2, 2, 1, &err), 0);
    assert_version(db, 1, "0.1.0");
    assert_int_equal(number(db, "SELECT x FROM a"), 7);
    assert_int_equal(number(db, "SELECT y FROM a"), -1);
    assert_int_equal(schema_migrate(db, steps, 2, 1, 3, &err), -EINVAL);
    assert_int_equal(schema_migrate(db, steps, 2, 1, 0, &err), -EINVAL);
    assert_int_equal(schema_migrate(db, steps, 2, 5, 1, &err), -EINVAL);
    sqlite3_close(db);
}

static void test_failing_step_changes_nothing(void **state)
{
    struct vdi_error err = {0};
    sqlite3 *db;

    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    assert_int_equal(schema_migrate(db, steps, 3, 0, 1, &err), 0);
    assert_int_equal(schema_migrate(db, steps, 3, 1, 3, &err), -EIO);
    assert_version(db, 1, "0.1.0");
    assert_int_equal(number(db, "SELECT count(*) FROM b"), -1);
    assert_int_equal(number(db, "SELECT count(*) FROM c"), -1);
    sqlite3_close(db);
}

static void test_flipped_version_is_not_believed(void **state)
{
    char release[SCHEMA_META_MAX];
    struct vdi_error err = {0};
    uint32_t version;
    sqlite3 *db;

    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    assert_int_equal(schema_migrate(db, steps, 2, 0, 2, &err), 0);
    sqlite3_exec(db, "PRAGMA user_version = 130", NULL, NULL, NULL);
    assert_int_equal(schema_version(db, &version, release), 0);
    assert_int_equal(version, 2); /* the fact has a checksum, the header has none */
    sqlite3_exec(db, "UPDATE meta SET value = '3' WHERE name = 'version'", NULL, NULL, NULL);
    assert_int_equal(schema_version(db, &version, release), 0);
    assert_int_equal(version, 130); /* may be a newer one's: hands off */
    sqlite3_exec(db, "PRAGMA user_version = 1", NULL, NULL, NULL);
    assert_int_equal(schema_version(db, &version, release), -EBADMSG);
    sqlite3_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_up_and_down),
        cmocka_unit_test(test_failing_step_changes_nothing),
        cmocka_unit_test(test_flipped_version_is_not_believed),
    };
    return cmocka_run_group_tests_name("store/sqlite/schema", tests, NULL, NULL);
}
