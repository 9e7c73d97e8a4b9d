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

#include <config.h>
#include "vnetenc/main/credentials.h"
#include <string.h>
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "unixctl.h"
#include "util.h"
#include "vnetenc/control/control.h"
#include "vnetenc/trust/cert.h"
#include "vnetenc/trust/cred.h"
#include "vnetenc/trust/find-json.h"
#include "vnetenc/trust/profile.h"

static const char *
get_string(const struct json *object, const char *name)
{
    const struct json *value = shash_find_data(json_object(object), name);

    return value ? json_string(value) : NULL;
}

/* Returns the profiles that show the certificate with 'fingerprint'. */
static struct json *
shown_by(const char *fingerprint)
{
    struct json *array = json_array_create_empty();

    for (int id = 0; fingerprint && id < VNETENC_N_PROFILES; id++) {
        const struct vnetenc_profile *profile = vnetenc_profile_peek(id);
        char text[VNETENC_FINGERPRINT_TEXT_BYTES];

        if (!profile || !profile->cred) {
            continue;
        }
        vnetenc_cert_fingerprint_format(
            vnetenc_cred_fingerprint(profile->cred), text);
        if (!strcmp(text, fingerprint)) {
            json_array_add(array, json_integer_create(id));
        }
    }
    return array;
}

static struct json *
describe(void)
{
    struct json *everything = vnetenc_find_json();
    const struct json *files
        = shash_find_data(json_object(everything), "files");

    for (size_t i = 0; i < json_array_size(files); i++) {
        struct json *file = CONST_CAST(struct json *,
                                       json_array_at(files, i));
        const struct json *certs
            = shash_find_data(json_object(file), "certificates");

        json_object_put(file, "shown_by", shown_by(
            json_array_size(certs)
            ? get_string(json_array_at(certs, 0), "sha256") : NULL));
    }
    return everything;
}

static void
print_certificate(const struct json *cert, struct ds *out)
{
    ds_put_format(out, "  %s%s\n      %s\n      from %s to %s\n"
                  "      SHA-1, never accepted: %s\n",
                  get_string(cert, "sha256"),
                  json_boolean(shash_find_data(json_object(cert), "ca"))
                  ? " (CA)" : "",
                  get_string(cert, "subject"), get_string(cert, "not_before"),
                  get_string(cert, "not_after"), get_string(cert, "sha1"));
}

static void
print_file(const struct json *file, struct ds *out)
{
    const struct json *certs
        = shash_find_data(json_object(file), "certificates");
    const struct json *shown = shash_find_data(json_object(file), "shown_by");
    const char *error = get_string(file, "error");

    ds_put_format(out, "%s: %s", get_string(file, "file"),
                  json_boolean(shash_find_data(json_object(file), "key"))
                  ? "with a private key" : "no private key");
    for (size_t i = 0; i < json_array_size(shown); i++) {
        ds_put_format(out, "%s %lld", i ? "," : ", shown by profile",
                      (long long int) json_integer(json_array_at(shown, i)));
    }
    ds_put_char(out, '\n');
    if (error) {
        ds_put_format(out, "  error: %s\n", error);
    }
    for (size_t i = 0; i < json_array_size(certs); i++) {
        print_certificate(json_array_at(certs, i), out);
    }
}

static char *
print(const struct json *everything)
{
    const struct json *files
        = shash_find_data(json_object(everything), "files");
    const char *error = get_string(everything, "error");
    struct ds out = DS_EMPTY_INITIALIZER;

    if (error) {
        ds_put_format(&out, "error: %s\n", error);
    }
    for (size_t i = 0; i < json_array_size(files); i++) {
        print_file(json_array_at(files, i), &out);
    }
    if (!json_array_size(files)) {
        ds_put_cstr(&out, "no credentials\n");
    }
    return ds_steal_cstr(&out);
}

static void
unixctl_credentials(struct unixctl_conn *conn, int argc OVS_UNUSED,
                    const char *argv[] OVS_UNUSED, void *aux OVS_UNUSED)
{
    struct json *everything;

    vnetenc_control_lock();
    everything = describe();
    vnetenc_control_unlock();

    if (unixctl_command_get_output_format(conn) == UNIXCTL_OUTPUT_FMT_JSON) {
        unixctl_command_reply_json(conn, everything);
    } else {
        char *text = print(everything);

        unixctl_command_reply(conn, text);
        free(text);
        json_destroy(everything);
    }
}

void
vnetenc_credentials_init(void)
{
    unixctl_command_register("vnetenc/credentials", "", 0, 0,
                             unixctl_credentials, NULL);
}
