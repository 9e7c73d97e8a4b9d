/*
 * Copyright (c) 2026 The vnetenc authors.
 *
 * Licensed under the Apache License, Version 2.0 (the "License");
 * you may not use this file except in compliance with the License.
 * You may obtain a copy of the License at:
 *
 *     http://www.apache.org/licenses/LICENSE-2.0
 *
 * Unless required by applicable law or agreed to in writing, software
 * distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
 * See the License for the specific language governing permissions and
 * limitations under the License.
 */

/* The writer of the flow log: each packet that was credited is in exactly one
 * line, or said to be lost, whatever becomes of the file. */

#include <config.h>
#undef NDEBUG
#include "vnetenc/log/writer.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "packets.h"
#include "svec.h"
#include "timeval.h"
#include "util.h"
#include "vnetenc-unit.h"
#include "vnetenc/bridge/outcome.h"
#include "vnetenc/log/flows.h"
#include "vnetenc/log/settings.h"

#define FILE_NAME "flows.log"
#define DEV_FULL "/dev/full"
#define DEV_NULL "/dev/null"
#define NO_FOLDER "/nonexistent/flows.log"

static char *directory;
static const char *in_port = "tap\n\"1\"";

static char *
path_of(const char *name)
{
    return xasprintf("%s/%s", directory, name);
}

static void
set(const char *file)
{
    struct vnetenc_settings *s = vnetenc_settings_create("br-int");
    static const int64_t metadata[] = { 5, -1, 2 };
    char *names[] = { "sw \"five\"\n<script>alert(1)</script>", "last", "two",
    };
    char *error;

    error = vnetenc_settings_set_mark(s, "reg0[]");
    ovs_assert(!error);
    error = vnetenc_settings_add_field(s, "reg14");
    ovs_assert(!error);
    free(s->file);
    s->file = xstrdup(file);
    vnetenc_settings_set_names(s, metadata, names, ARRAY_SIZE(names));
    vnetenc_settings_add_port(s, in_port, "id\t<b>");
    shash_add(&s->peer_names, "192.0.2.9", xstrdup("hv\\9"));
    vnetenc_settings_set(s);
}

/* When the packets that are credited have left. */
static long long int since = LLONG_MAX;

static void
make_key(struct vnetenc_flow_key *key, enum vnetenc_flow_fate fate)
{
    memset(key, 0, sizeof *key);
    key->fields_id = vnetenc_settings_get()->fields_id;
    key->metadata = 5;
    key->fields[0] = 0x1e;
    key->fate = fate;
    vnetenc_flow_set_port(&key->in, in_port);
    ovs_assert(ipv6_parse("::ffff:10.0.0.1", &key->src));
    ovs_assert(ipv6_parse("::ffff:10.0.0.0", &key->dst));
    key->src_len = 32;
    key->dst_len = 24;
}

static void
credit(const struct vnetenc_flow_key *key, uint64_t n)
{
    struct vnetenc_flows_record *r = vnetenc_flows_get(key, 100, true);

    vnetenc_flows_credit(r, n, 100 * n, 0, since);
    vnetenc_flows_unref(r);
}

static void
credit_port(uint64_t n)
{
    struct vnetenc_flow_key key;

    make_key(&key, VNETENC_FLOW_PORT);
    vnetenc_flow_set_port(&key.out, "p5");
    credit(&key, n);
}

/* Has all lines written. */
static void
run_writer(void)
{
    vnetenc_writer_start();
    vnetenc_writer_stop();
}

/* Returns the lines of the file. */
static struct svec
read_lines(const char *name)
{
    struct svec lines = SVEC_EMPTY_INITIALIZER;
    FILE *file = fopen(name, "r");
    char line[4096];

    while (file && fgets(line, sizeof line, file)) {
        CHECK(line[strlen(line) - 1] == '\n');
        svec_add(&lines, line);
    }
    if (file) {
        fclose(file);
    }
    return lines;
}

static const struct json *
member(const struct json *json, const char *name)
{
    return shash_find_data(json_object(json), name);
}

static const char *
string_of(const struct json *json, const char *name)
{
    const struct json *m = member(json, name);

    return m && m->type == JSON_STRING ? json_string(m) : "(none)";
}

/* Names of ports, networks and identifiers are tenants' and may be
 * anything. */
static void
test_line(void)
{
    char *name = path_of(FILE_NAME);
    struct svec lines;
    struct stat s;

    umask(0);
    set(name);
    credit_port(3);
    run_writer();
    lines = read_lines(name);
    if (CHECK(lines.n == 1)) {
        struct json *json = json_from_string(lines.names[0]);

        CHECK(json->type == JSON_OBJECT);
        CHECK(!strcmp(string_of(json, "switch"),
                      "sw \"five\"\n<script>alert(1)</script>"));
        CHECK(!strcmp(string_of(member(json, "in"), "port"), "tap\n\"1\""));
        CHECK(!strcmp(string_of(member(json, "in"), "iface-id"), "id\t<b>"));
        CHECK(!strcmp(string_of(json, "encryption"), "NX_LOCAL_DST"));
        CHECK(!strcmp(string_of(json, "state"), "BE"));
        CHECK(!strcmp(string_of(json, "src"), "10.0.0.1"));
        CHECK(!strcmp(string_of(json, "dst"), "10.0.0.0/24"));
        CHECK(!strcmp(string_of(member(json, "fields"), "reg14"), "0x1e"));
        CHECK(json_integer(member(json, "packets")) == 3);
        CHECK(json_integer(member(json, "bytes")) == 300);
        CHECK(member(json, "proto")->type == JSON_NULL);
        json_destroy(json);
    }
    CHECK(!stat(name, &s) && (s.st_mode & 07777) == 0640);
    svec_destroy(&lines);
    unlink(name);
    free(name);
}

/* Long names are told apart and are still UTF-8, and none is a command to a
 * terminal. */
static void
test_names(void)
{
    static const struct {
        const char *name, *text;
    } rows[] = {
        { "a\xc2\x9b" "31m\x7f\xc2\xa0z", "a\\u009b31m\\u007f\xc2\xa0z" },
        { "0123456789012345678901234567890123456789012345678901234567890123",
          "012345678901234567890123456789012345678901234567890123~" },
        { "0123456789012345678901234567890123456789012345678901\xe2\x82\xac"
          "0123456789", "0123456789012345678901234567890123456789012345678901~"
        },
    };
    char *name = path_of(FILE_NAME);

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char *part = xasprintf("\"port\":\"%s", rows[i].text);
        const char *old = in_port;
        struct svec lines;

        in_port = rows[i].name;
        set(name);
        credit_port(1);
        in_port = old;
        run_writer();
        lines = read_lines(name);
        if (CHECK(lines.n == 1)) {
            CHECK_HAS(lines.names[0], part);
            CHECK_HAS(lines.names[0], "\"iface-id\":");
        }
        svec_destroy(&lines);
        unlink(name);
        free(part);
    }
    free(name);
}

/* Values of fields are not told under the names of others. */
static void
test_other_fields(void)
{
    struct vnetenc_flow_key key;
    char *name = path_of(FILE_NAME);
    struct svec lines;

    set(name);
    make_key(&key, VNETENC_FLOW_PORT);
    key.fields_id++;
    credit(&key, 1);
    run_writer();
    lines = read_lines(name);
    if (CHECK(lines.n == 1)) {
        CHECK_HAS(lines.names[0], "\"fields\":{\"metadata\":\"0x5\"}");
    }
    svec_destroy(&lines);
    unlink(name);
    free(name);
}

/* Packets of long ago are credited. */
static void
test_late(void)
{
    long long int now = time_msec();
    char *name = path_of(FILE_NAME);
    struct vnetenc_flow_key key;
    struct svec lines;

    set(name);
    make_key(&key, VNETENC_FLOW_SEALED);
    key.out.is_peer = true;
    ovs_assert(ipv6_parse("::ffff:192.0.2.10", &key.out.peer));
    vnetenc_outcome_note(&key.out.peer, 0, VNETENC_DROP_clear_lost,
                         now - 100000);
    for (size_t i = 0; i < 2; i++) {
        since = now - (i ? 50000 : 100000);
        credit(&key, 1);
        run_writer();
    }
    since = LLONG_MAX;
    lines = read_lines(name);
    if (CHECK(lines.n == 2)) {
        CHECK_HAS(lines.names[0], "\"encryption\":\"NX_FALLBACK\"");
        CHECK_HAS(lines.names[1], "\"encryption\":\"X\"");
    }
    svec_destroy(&lines);
    unlink(name);
    free(name);
}

/* The last free space of a file system is left to others. */
static void
test_reserve(void)
{
    static const char fill[4096];
    struct vnetenc_writer_status status;
    char *filler = path_of("filler");
    char *name = path_of(FILE_NAME);
    struct svec lines;
    int fd;

    ovs_assert(!unshare(CLONE_NEWNS)
               && !mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL)
               && !mount("none", directory, "tmpfs", 0, "size=1m"));
    set(name);
    credit_port(1);
    run_writer();
    fd = open(filler, O_WRONLY | O_CREAT, 0600);
    for (size_t i = 0; i < 244; i++) {
        ovs_assert(write(fd, fill, sizeof fill) == sizeof fill);
    }
    close(fd);
    credit_port(2);
    run_writer();
    lines = read_lines(name);
    CHECK(lines.n == 1);
    svec_destroy(&lines);
    vnetenc_writer_get_status(&status);
    CHECK_HAS(status.error, "less than 5 % of its file system is free");
    free(status.error);

    unlink(filler);
    credit_port(4);
    run_writer();
    lines = read_lines(name);
    if (CHECK(lines.n == 3)) {
        CHECK_HAS(lines.names[1], "\"packets\":2}");
    }
    svec_destroy(&lines);
    ovs_assert(!umount(directory));
    free(name);
    free(filler);
}

/* A file gets no larger than it may, and goes on when it is rotated. */
static void
test_max_size(void)
{
    struct vnetenc_writer_status status;
    char *name = path_of(FILE_NAME);
    char *rotated = path_of("flows.log.1");
    struct vnetenc_settings *s;
    struct svec lines;
    struct stat before, after;

    set(name);
    s = vnetenc_settings_get_ref();
    s->max_size_mib = 1;
    credit_port(1);
    run_writer();
    ovs_assert(!truncate(name, (1 << 20) - 1));
    credit_port(2);
    run_writer();
    ovs_assert(!stat(name, &before));
    CHECK(before.st_size > 1 << 20);
    for (size_t i = 0; i < 2; i++) {
        credit_port(4);
        run_writer();
        vnetenc_writer_get_status(&status);
        CHECK_HAS(status.error, "flows.log\" cannot be written: it has "
                  "reached max_size, 1 MiB, and must be rotated");
        free(status.error);
    }
    ovs_assert(!stat(name, &after));
    CHECK(after.st_size == before.st_size);

    ovs_assert(!rename(name, rotated));
    credit_port(16);
    run_writer();
    lines = read_lines(name);
    if (CHECK(lines.n == 2)) {
        CHECK_HAS(lines.names[0], "\"lines\":2,\"packets\":8}");
        CHECK_HAS(lines.names[1], "\"packets\":16,");
    }
    svec_destroy(&lines);
    vnetenc_writer_get_status(&status);
    CHECK(!status.error);
    vnetenc_settings_unref(s);
    unlink(name);
    unlink(rotated);
    free(name);
    free(rotated);
}

/* The worst that happened to packets to the peer is said of all. */
static void
test_verdict(void)
{
    static const struct {
        enum vnetenc_drop reason;
        const char *encryption, *state, *lost;
    } steps[] = {
        { VNETENC_KEEP, "X", "BE", "" },
        { VNETENC_DROP_tx_mtu, "X", "BE", "\"lost\":true" },
        { VNETENC_DROP_tx_no_session, "NX_NOT_ACCEPTED", "D", "" },
        { VNETENC_DROP_clear_lost, "NX_FALLBACK", "BE", "" },
        /* It stays the worst. */
        { VNETENC_DROP_tx_mtu, "NX_FALLBACK", "BE", "" },
    };
    char *name = path_of(FILE_NAME);

    set(name);
    since = time_msec();
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        struct vnetenc_flow_key key;
        struct svec lines;
        struct json *json;

        make_key(&key, VNETENC_FLOW_SEALED);
        key.out.is_peer = true;
        ovs_assert(ipv6_parse("::ffff:192.0.2.9", &key.out.peer));
        if (steps[i].reason) {
            vnetenc_outcome_note(&key.out.peer, 0, steps[i].reason,
                                 time_msec());
        }
        credit(&key, 1);
        run_writer();
        lines = read_lines(name);
        if (CHECK(lines.n == 1)) {
            json = json_from_string(lines.names[0]);
            CHECK(!strcmp(string_of(json, "encryption"),
                          steps[i].encryption));
            CHECK(!strcmp(string_of(json, "state"), steps[i].state));
            CHECK_HAS(lines.names[0], steps[i].lost);
            CHECK(!strcmp(string_of(member(json, "out"), "peer"),
                          "192.0.2.9"));
            CHECK(!strcmp(string_of(member(json, "out"), "name"), "hv\\9"));
            json_destroy(json);
        }
        svec_destroy(&lines);
        unlink(name);
    }
    since = LLONG_MAX;
    free(name);
}

/* A file that was renamed or removed is made again. */
static void
test_rotation(void)
{
    char *name = path_of(FILE_NAME);
    char *rotated = path_of("flows.log.1");
    struct svec lines;

    set(name);
    credit_port(1);
    run_writer();
    ovs_assert(!rename(name, rotated));
    credit_port(2);
    run_writer();
    credit_port(4);
    run_writer();
    lines = read_lines(rotated);
    CHECK(lines.n == 1);
    CHECK_HAS(lines.names[0], "\"packets\":1,");
    svec_destroy(&lines);
    lines = read_lines(name);
    if (CHECK(lines.n == 2)) {
        CHECK_HAS(lines.names[0], "\"packets\":2,");
        CHECK_HAS(lines.names[1], "\"packets\":4,");
    }
    svec_destroy(&lines);
    unlink(name);
    unlink(rotated);
    free(name);
    free(rotated);
}

/* What cannot be written is counted, and the next line says so. */
static void
test_full(void)
{
    struct vnetenc_writer_status status, before;
    char *name = path_of(FILE_NAME);
    struct svec lines;

    vnetenc_writer_get_status(&before);
    CHECK(!before.error);
    set(DEV_FULL);
    credit_port(10);
    run_writer();
    set(NO_FOLDER);
    credit_port(20);
    run_writer();
    vnetenc_writer_get_status(&status);
    CHECK(status.n_lost_lines == before.n_lost_lines + 2);
    CHECK_HAS(status.error, "file: \"/nonexistent/flows.log\" cannot be "
              "written: No such file");
    free(status.error);

    set(name);
    credit_port(1);
    run_writer();
    credit_port(2);
    run_writer();
    lines = read_lines(name);
    if (CHECK(lines.n == 3)) {
        CHECK_HAS(lines.names[0], "\"lost_lines\":{\"bytes\":3000,\"lines\":2,"
                  "\"packets\":30}");
        CHECK_HAS(lines.names[1], "\"packets\":1,");
        CHECK_HAS(lines.names[2], "\"packets\":2,");
    }
    svec_destroy(&lines);
    vnetenc_writer_get_status(&status);
    CHECK(!status.error);
    CHECK(status.n_packets == before.n_packets + 33);
    unlink(name);
    free(name);
}

/* Somebody who may write in the directory leads the log nowhere else. */
static void
test_link(void)
{
    struct vnetenc_writer_status status;
    char *victim = path_of("victim");
    char *name = path_of(FILE_NAME);
    struct svec lines;

    set(name);
    for (size_t i = 0; i < 2; i++) {
        /* To a file that is there, and to one that would be made. */
        FILE *file = i ? NULL : fopen(victim, "w");

        if (file) {
            ovs_assert(!fclose(file));
        }
        ovs_assert(!symlink(victim, name));
        credit_port(i + 1);
        run_writer();
        lines = read_lines(victim);
        CHECK(!lines.n);
        svec_destroy(&lines);
        CHECK(!unlink(victim) == !i);
        CHECK(!unlink(name));
        vnetenc_writer_get_status(&status);
        CHECK_HAS(status.error, "flows.log\" cannot be written: it must not "
                  "be a symbolic link");
        free(status.error);
    }
    credit_port(4);
    run_writer();
    lines = read_lines(name);
    if (CHECK(lines.n == 2)) {
        CHECK_HAS(lines.names[0], "\"lines\":2,\"packets\":3}");
    }
    svec_destroy(&lines);
    unlink(name);
    free(name);
    free(victim);
}

/* A disk that is full in the middle of a line leaves no half of it. */
static void
test_half(void)
{
    char *name = path_of(FILE_NAME);
    struct rlimit limit, old;
    struct svec lines;
    struct stat s;

    set(name);
    credit_port(1);
    run_writer();
    ovs_assert(!stat(name, &s));

    signal(SIGXFSZ, SIG_IGN);
    ovs_assert(!getrlimit(RLIMIT_FSIZE, &old));
    limit = old;
    limit.rlim_cur = s.st_size + 100;
    ovs_assert(!setrlimit(RLIMIT_FSIZE, &limit));
    credit_port(2);
    run_writer();
    ovs_assert(!setrlimit(RLIMIT_FSIZE, &old));
    lines = read_lines(name);
    CHECK(lines.n == 1);
    svec_destroy(&lines);

    credit_port(4);
    run_writer();
    lines = read_lines(name);
    if (CHECK(lines.n == 3)) {
        CHECK_HAS(lines.names[1], "\"packets\":2}");
        CHECK_HAS(lines.names[2], "\"packets\":4,");
    }
    svec_destroy(&lines);
    unlink(name);
    free(name);
}

static void
test_settings(void)
{
    static const char *const bad_files[] = {
        "", ".", "..", "/tmp/flows.log", "../flows.log", "a/flows.log"
    };
    struct vnetenc_settings *s = vnetenc_settings_create("br-int");
    char *error;

    error = vnetenc_settings_set_mark(s, "reg99[]");
    CHECK_HAS(error, "mark: ");
    free(error);
    error = vnetenc_settings_set_mark(s, "xxreg0[]");
    CHECK_HAS(error, "has 128 bits; at most 64 are allowed");
    free(error);
    CHECK(!vnetenc_settings_set_mark(s, "reg31[16..17]"));
    error = vnetenc_settings_add_field(s, "nonsense");
    CHECK_HAS(error, "fields: \"nonsense\" is not the name of a field");
    free(error);
    error = vnetenc_settings_add_field(s, "xxreg1");
    CHECK_HAS(error, "has 128 bits; at most 64 are allowed");
    free(error);
    error = vnetenc_settings_add_field(s, "nw_ttl");
    CHECK_HAS(error, "fields: \"nw_ttl\" is neither a register nor metadata");
    free(error);
    error = vnetenc_settings_set_mark(s, "nw_ttl[]");
    CHECK_HAS(error, "mark: \"nw_ttl[]\" is neither part of a register");
    free(error);
    for (size_t i = 0; i < ARRAY_SIZE(bad_files); i++) {
        error = vnetenc_settings_set_file(s, bad_files[i]);
        CHECK_HAS(error, "is not allowed: must be the name of a file, without "
                  "\"/\", that ends in .log");
        free(error);
    }
    CHECK(!vnetenc_settings_set_file(s, "flows.log"));
    CHECK_HAS(s->file, "/flows.log");
    CHECK(!vnetenc_settings_find_name(s, 5));
    vnetenc_settings_unref(s);

    set(DEV_NULL);
    CHECK_HAS(vnetenc_settings_find_name(vnetenc_settings_get(), UINT64_MAX),
              "last");
    CHECK_HAS(vnetenc_settings_find_name(vnetenc_settings_get(), 2), "two");
    CHECK(!vnetenc_settings_find_name(vnetenc_settings_get(), 3));
    vnetenc_settings_set(NULL);
    CHECK(!vnetenc_settings_get());
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    char template[] = P_tmpdir "/vnetenc-writer.XXXXXX";

    set_program_name(argv[0]);
    directory = mkdtemp(template);
    ovs_assert(directory);
    test_settings();
    test_line();
    test_rotation();
    test_full();
    test_link();
    test_half();
    test_max_size();
    test_verdict();
    test_names();
    test_other_fields();
    test_late();
    test_reserve();
    rmdir(directory);
    return unit_end();
}
