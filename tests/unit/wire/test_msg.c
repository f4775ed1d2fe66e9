#include "unit.h"

#include <string.h>

#include <bson/bson.h>

#include "wire/msg.h"

/* A document {"a": 1}, and a value for each type of field. */
static const uint8_t doc_a1[] = {12, 0, 0, 0, 0x10, 'a', 0, 1, 0, 0, 0, 0};

#define VALUE_U32 (UINT32_MAX - 5)
#define VALUE_U64 UINT64_C(0xfedcba9876543210)
#define VALUE_I64 INT64_C(-42)
#define VALUE_BOOL true
#define VALUE_STR "s1-eth\xc3\xa9"
#define VALUE_STRS ((struct wire_strs){.n = 2, .s = {"one", ""}})
#define VALUE_BIN ((struct wire_bytes){doc_a1, 5})
#define VALUE_DOC ((struct wire_bytes){doc_a1, sizeof doc_a1})
#define VALUE_ETH ((struct eth_addr){{2, 0xa0, 1, 2, 3, 4}})
#define VALUE_VM_KEY ((struct vm_key){0x2a0a0a0a0a0, 3})
#define VALUE_DP_KEY ((struct dp_key){0x8000000000000005, 1, 0xfffffffe})
#define VALUE_VS_KEY ((struct vs_key){0x7266767300000001, 14})

static bool bytes_equal(struct wire_bytes a, struct wire_bytes b)
{
    return a.n == b.n && !memcmp(a.data, b.data, a.n);
}

#define EQUAL_U32(A, B) ((A) == (B))
#define EQUAL_U64(A, B) ((A) == (B))
#define EQUAL_I64(A, B) ((A) == (B))
#define EQUAL_BOOL(A, B) ((A) == (B))
#define EQUAL_STR(A, B) (!strcmp(A, B))
#define EQUAL_STRS(A, B) \
    ((A).n == (B).n && !strcmp((A).s[0], (B).s[0]) && !strcmp((A).s[1], (B).s[1]))
#define EQUAL_BIN(A, B) bytes_equal(A, B)
#define EQUAL_DOC(A, B) bytes_equal(A, B)
#define EQUAL_ETH(A, B) eth_equal(A, B)
#define EQUAL_VM_KEY(A, B) vm_key_equal(A, B)
#define EQUAL_DP_KEY(A, B) dp_key_equal(A, B)
#define EQUAL_VS_KEY(A, B) vs_key_equal(A, B)

/* Fills every field of every message from the schema. */
static void fill(struct msg *m, enum msg_type type)
{
    memset(m, 0, sizeof *m);
    m->type = type;
    switch (type) {
#define WIRE_MSG(NAME, name, FROM, DOC) case MSG_##NAME: {
#define WIRE_FIELD(name, field, TYPE, DOC) m->name.field = VALUE_##TYPE;
#define WIRE_END(name) \
    break;             \
    }
#include "wire/schema.def"
#undef WIRE_MSG
#undef WIRE_FIELD
#undef WIRE_END
    default:
        ck_abort();
    }
}

static void check_filled(const struct msg *m)
{
    switch (m->type) {
#define WIRE_MSG(NAME, name, FROM, DOC) case MSG_##NAME: {
#define WIRE_FIELD(name, field, TYPE, DOC) \
    ck_assert_msg(EQUAL_##TYPE(m->name.field, VALUE_##TYPE), #name "." #field);
#define WIRE_END(name) \
    break;             \
    }
#include "wire/schema.def"
#undef WIRE_MSG
#undef WIRE_FIELD
#undef WIRE_END
    default:
        ck_abort();
    }
}

static void encode(enum msg_type type, struct buf *b)
{
    struct msg m;

    fill(&m, type);
    buf_clear(b);
    msg_encode(&m, b);
}

START_TEST(every_message_of_the_schema_survives_the_round_trip)
{
    char error[MSG_ERR_LEN];
    struct buf b = {0};

    for (int type = 1; type < MSG_N_TYPES; type++) {
        struct msg m;
        encode((enum msg_type)type, &b);
        ck_assert_msg(msg_decode(b.data, b.len, &m, error), "%s", error);
        ck_assert_int_eq(m.type, type);
        check_filled(&m);
    }
    buf_uninit(&b);
}
END_TEST

START_TEST(unknown_fields_are_ignored)
{
    char error[MSG_ERR_LEN];
    bson_t *b = BCON_NEW("future", "[", BCON_INT32(1), "]", "t", "ACK", "seq",
                         BCON_INT32(7), "x", BCON_NULL);
    struct msg m;

    ck_assert_msg(msg_decode(bson_get_data(b), b->len, &m, error), "%s", error);
    ck_assert_int_eq(m.type, MSG_ACK);
    ck_assert_uint_eq(m.ack.seq, 7);
    bson_destroy(b);
}
END_TEST

static void expect_error(bson_t *b, const char *expected)
{
    char error[MSG_ERR_LEN] = "";
    struct msg m = {.type = MSG_NONE};

    ck_assert(!msg_decode(bson_get_data(b), b->len, &m, error));
    ck_assert_str_eq(error, expected);
    ck_assert_int_eq(m.type, MSG_NONE);
    bson_destroy(b);
}

START_TEST(faults_are_told_with_message_and_field)
{
    expect_error(BCON_NEW("t", "ACK"), "ACK: seq is missing");
    expect_error(BCON_NEW("t", "ACK", "seq", "7"), "ACK: seq is not an integer");
    expect_error(BCON_NEW("t", "BYE", "reason", BCON_INT32(1)),
                 "BYE: reason is not a UTF-8 string");
    expect_error(BCON_NEW("t", "PORT_CONFIG", "vm_port", BCON_INT64(INT64_C(1) << 32)),
                 "PORT_CONFIG: vm_port is not a number of 32 bits");
    expect_error(BCON_NEW("t", "PORT_CONFIG", "vm_port", BCON_INT64(-1)),
                 "PORT_CONFIG: vm_port is not a number of 32 bits");
    expect_error(BCON_NEW("t", "MAPPING_SEEN", "vm", "{", "vm_id", BCON_INT64(1), "}",
                          "vs", "{", "}"),
                 "MAPPING_SEEN: vm.vm_port is missing");
    expect_error(BCON_NEW("t", "MAPPING_SEEN", "vm", "{", "vm_id", BCON_INT64(1),
                          "vm_port", "x", "}"),
                 "MAPPING_SEEN: vm.vm_port is not a number of 32 bits");
    expect_error(BCON_NEW("t", "MAPPING_SEEN", "vm", BCON_INT32(1)),
                 "MAPPING_SEEN: vm is not a document");
    expect_error(BCON_NEW("t", "NONSENSE"), "unknown message type \"NONSENSE\"");
    expect_error(BCON_NEW("t", BCON_INT32(1)), "document without message type t");
    expect_error(BCON_NEW("x", BCON_INT32(1)), "document without message type t");
}
END_TEST

START_TEST(too_many_strings_are_refused)
{
    char error[MSG_ERR_LEN];
    bson_t b = BSON_INITIALIZER, array;
    struct msg m;

    BSON_APPEND_UTF8(&b, "t", "REQUEST");
    BSON_APPEND_UTF8(&b, "cmd", "why");
    BSON_APPEND_ARRAY_BEGIN(&b, "args", &array);
    for (int i = 0; i <= WIRE_MAX_STRS; i++) {
        BSON_APPEND_UTF8(&array, "0", "x");
    }
    bson_append_array_end(&b, &array);
    ck_assert(!msg_decode(bson_get_data(&b), b.len, &m, error));
    ck_assert_str_eq(error,
                     "REQUEST: args is not an array of at most 16 UTF-8 strings");
    bson_destroy(&b);
}
END_TEST

START_TEST(every_truncation_and_every_changed_byte_is_survived)
{
    char error[MSG_ERR_LEN];
    struct buf b = {0}, text = {0};
    struct msg m;

    for (int type = 1; type < MSG_N_TYPES; type++) {
        encode((enum msg_type)type, &b);
        for (size_t n = 0; n < b.len; n++) {
            /* A copy of its own, so that the sanitizer sees a read beyond it. */
            uint8_t *copy = xmalloc(n);
            memcpy(copy, b.data, n);
            ck_assert(!msg_decode(copy, n, &m, error));
            free(copy);
        }
        for (size_t i = 0; i < b.len * 256; i++) {
            uint8_t *copy = xmalloc(b.len);
            memcpy(copy, b.data, b.len);
            copy[i / 256] = (uint8_t)i;
            if (msg_decode(copy, b.len, &m, error)) {
                buf_clear(&text);
                msg_format(&m, &text); /* Reads every string that was accepted. */
            }
            free(copy);
        }
    }
    buf_uninit(&b);
    buf_uninit(&text);
}
END_TEST

START_TEST(deep_nesting_is_refused_without_using_the_stack)
{
    /* {t: "REPLY", status: 0, body: {a: {a: {a: ...}}}}, 30,000 deep. */
    enum { DEPTH = 30000 };
    static const uint8_t head[] = {
        0x02, 't', 0,   6,   0, 0, 0, 'R', 'E', 'P',  'L', 'Y', 0,   0x10, 's', 't',
        'a',  't', 'u', 's', 0, 0, 0, 0,   0,   0x03, 'b', 'o', 'd', 'y',  0};
    char error[MSG_ERR_LEN];
    size_t inner = 5 + (size_t)DEPTH * 8, total = 4 + sizeof head + inner + 1;
    uint8_t *data = xcalloc(1, total), *p = data + 4 + sizeof head;
    struct msg m;

    memcpy(data, &(uint32_t){(uint32_t)total}, 4);
    memcpy(data + 4, head, sizeof head);
    for (size_t left = inner; left > 5; left -= 8) {
        memcpy(p, &(uint32_t){(uint32_t)left}, 4);
        memcpy(p + 4, "\003a", 3);
        p += 7;
    }
    memcpy(p, &(uint32_t){5}, 4);
    ck_assert(!msg_decode(data, total, &m, error));
    ck_assert_str_eq(error, "REPLY: body is not a well-formed document");
    free(data);
}
END_TEST

START_TEST(text_that_is_not_utf8_is_cleaned_by_the_sender)
{
    char error[MSG_ERR_LEN];
    struct buf b = {0};
    struct msg m = {.type = MSG_BYE, .bye.reason = "switch \xff\xfe says"};

    msg_encode(&m, &b);
    ck_assert_msg(msg_decode(b.data, b.len, &m, error), "%s", error);
    ck_assert_str_eq(m.bye.reason, "switch ?? says");
    buf_uninit(&b);
}
END_TEST

START_TEST(absent_text_and_document_are_sent_as_empty)
{
    char error[MSG_ERR_LEN];
    struct buf b = {0};
    struct msg m = {.type = MSG_EVENT};

    msg_encode(&m, &b);
    ck_assert_msg(msg_decode(b.data, b.len, &m, error), "%s", error);
    ck_assert_str_eq(m.event.text, "");
    ck_assert_uint_eq(m.event.body.n, 5);
    buf_uninit(&b);
}
END_TEST

START_TEST(messages_print_as_name_and_fields)
{
    struct buf b = {0};
    struct msg m = {.type = MSG_MAPPING_SEEN,
                    .mapping_seen = {.vm = {0x2a0a0a0a0a0, 1}, .vs = {5, 2}}};

    msg_format(&m, &b);
    ck_assert_str_eq(buf_cstr(&b),
                     "MAPPING_SEEN vm={vm_id=0x000002a0a0a0a0a0 vm_port=1} "
                     "vs={vs_id=0x0000000000000005 vs_port=2}");
    buf_clear(&b);
    m = (struct msg){.type = MSG_HEARTBEAT};
    msg_format(&m, &b);
    ck_assert_str_eq(buf_cstr(&b), "HEARTBEAT");
    buf_uninit(&b);
}
END_TEST

START_TEST(the_schema_says_who_may_send_what)
{
    ck_assert(msg_type_senders(MSG_HELLO) & wire_from(ROLE_VS));
    ck_assert(!(msg_type_senders(MSG_HELLO) & FROM_SERVER));
    ck_assert(!(msg_type_senders(MSG_DP_UP) & wire_from(ROLE_CLIENT)));
    ck_assert(msg_type_senders(MSG_BATCH) & wire_from(ROLE_CLIENT));
    ck_assert_uint_eq(msg_type_senders(MSG_NONE), 0);
    ck_assert_str_eq(wire_role_name(ROLE_PROXY), "rfproxy");
    ck_assert_str_eq(wire_role_name(77), "unknown role");
}
END_TEST

UNIT_MAIN("wire/msg", every_message_of_the_schema_survives_the_round_trip,
          unknown_fields_are_ignored, faults_are_told_with_message_and_field,
          too_many_strings_are_refused,
          every_truncation_and_every_changed_byte_is_survived,
          deep_nesting_is_refused_without_using_the_stack,
          text_that_is_not_utf8_is_cleaned_by_the_sender,
          absent_text_and_document_are_sent_as_empty, messages_print_as_name_and_fields,
          the_schema_says_who_may_send_what)
