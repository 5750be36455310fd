// SPDX-License-Identifier: Apache-2.0
#include "lib/base/json_writer.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static char *output;

static void expect_text(const char *text, const char *json)
{
    size_t size;
    FILE *out = open_memstream(&output, &size);
    struct json_writer j;

    json_start(&j, out);
    json_text(&j, NULL, text);
    fclose(out);
    cr_expect_str_eq(output, json);
    free(output);
}

Test(json_writer, text_is_escaped)
{
    expect_text("plain", "\"plain\"");
    expect_text("", "\"\"");
    expect_text(NULL, "null");
    expect_text("\"\\\x01\x1f\x7f", "\"\\\"\\\\\\u0001\\u001f\\u007f\"");
}

Test(json_writer, only_valid_utf8_passes)
{
    expect_text("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
    expect_text("\xff", "\"\\ufffd\"");
    expect_text("\xc3", "\"\\ufffd\"");
    expect_text("\xc0\xaf", "\"\\ufffd\\ufffd\"");
    expect_text("\xe0\x80\x80", "\"\\ufffd\\ufffd\\ufffd\"");
    expect_text("\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\"");
    expect_text("\xf0\x80\x80\x80z", "\"\\ufffd\\ufffd\\ufffd\\ufffdz\"");
    expect_text("\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\"");
    expect_text("\xf0\x9f\x98", "\"\\ufffd\\ufffd\\ufffd\"");
}

Test(json_writer, compact_is_one_line_and_keys_are_escaped)
{
    size_t size;
    FILE *out = open_memstream(&output, &size);
    struct json_writer j;

    json_start_compact(&j, out);
    json_object(&j, NULL);
    json_fraction(&j, "a\"b", 0.25);
    json_list(&j, "empty");
    json_end(&j);
    json_list(&j, "two");
    json_number(&j, NULL, 1);
    json_null(&j, NULL);
    json_end(&j);
    json_end(&j);
    fclose(out);
    cr_expect_str_eq(output, "{\"a\\\"b\":0.250000,\"empty\":[],\"two\":[1,null]}\n");
    free(output);
}

Test(json_writer, levels_commas_and_ends)
{
    size_t size;
    FILE *out = open_memstream(&output, &size);
    struct json_writer j;

    json_start(&j, out);
    json_object(&j, NULL);
    json_list(&j, "a");
    json_number(&j, NULL, -1);
    json_bool(&j, NULL, true);
    json_null(&j, NULL);
    json_end(&j);
    json_object(&j, "b");
    json_end(&j);
    json_number(&j, "c", INT64_MAX);
    json_end(&j);
    fclose(out);
    cr_expect_str_eq(output, "{\n  \"a\": [\n    -1,\n    true,\n    null\n  ],\n  \"b\": {},\n"
                             "  \"c\": 9223372036854775807\n}\n");
    free(output);
}
