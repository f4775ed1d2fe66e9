#include "unit.h"

#include "of/print.h"
#include "reencode.h"
#include "vectors.h"

static void expect_text(const struct vectors *vs, const struct vector *v)
{
    struct buf text = {0}, want = {0};

    of_print(&text, v->octets.data, v->octets.len);
    buf_put(&want, v->text.data, v->text.len);
    ck_assert_msg(!strcmp(buf_cstr(&text), buf_cstr(&want)),
                  "%s.txt:%d:\n  got %s\n want %s", vs->name, v->line, buf_cstr(&text),
                  buf_cstr(&want));
    buf_uninit(&text);
    buf_uninit(&want);
}

static void expect_octets(const struct vectors *vs, const struct vector *v)
{
    struct of_msg m;
    struct buf again = {0};

    ck_assert_int_eq(of_msg_decode(cursor_of(v->octets.data, v->octets.len), &m),
                     OF_OK);
    ck_assert_msg(reencode(&again, &m), "%s.txt:%d has no encoder", vs->name, v->line);
    if (again.len != v->octets.len || memcmp(again.data, v->octets.data, again.len)) {
        struct buf text = {0};
        buf_put_hex(&text, again.data, again.len);
        ck_abort_msg("%s.txt:%d: encoded again it is\n%s", vs->name, v->line,
                     buf_cstr(&text));
    }
    buf_uninit(&again);
}

static void check_file(const char *name, bool both_ways)
{
    struct vectors *vs = vectors_read(name);

    for (size_t i = 0; i < vs->n; i++) {
        expect_text(vs, &vs->v[i]);
        if (both_ways) {
            expect_octets(vs, &vs->v[i]);
        }
    }
    vectors_free(vs);
}

START_TEST(controller_messages_mean_what_is_written_and_encode_to_the_same_octets)
{
    check_file("controller", true);
}
END_TEST

START_TEST(switch_messages_mean_what_is_written_and_encode_to_the_same_octets)
{
    check_file("switch", true);
}
END_TEST

START_TEST(messages_of_open_vswitch_mean_what_is_written)
{
    check_file("ovs", false);
}
END_TEST

START_TEST(malformed_messages_are_named_and_not_misread)
{
    check_file("malformed", false);
}
END_TEST

START_TEST(every_type_of_message_has_a_vector)
{
    static const char *const files[] = {"controller", "switch", "ovs"};
    bool seen[OFPT_N_TYPES] = {false};
    bool replies[OFPMP_N_TYPES] = {false};

    for (size_t f = 0; f < ARRAY_SIZE(files); f++) {
        struct vectors *vs = vectors_read(files[f]);
        for (size_t i = 0; i < vs->n; i++) {
            struct of_msg m;
            ck_assert_int_eq(
                of_msg_decode(cursor_of(vs->v[i].octets.data, vs->v[i].octets.len), &m),
                OF_OK);
            seen[m.h.type] = true;
            if (m.h.type == OFPT_MULTIPART_REPLY) {
                replies[m.multipart.type] = true;
            }
        }
        vectors_free(vs);
    }
    for (size_t i = 0; i < ARRAY_SIZE(seen); i++) {
        ck_assert_msg(seen[i], "no vector of %s", of_type_info((uint8_t)i)->name);
    }
    for (size_t i = 0; i < ARRAY_SIZE(replies); i++) {
        ck_assert_msg(replies[i], "no vector of a %s reply",
                      of_multipart_name((uint16_t)i));
    }
}
END_TEST

/* Not taken from our own tables: 7.4.4 of the specification. */
START_TEST(errors_are_named_as_in_the_specification)
{
    ck_assert_str_eq(of_error_code_name(1, 13), "OFPBRC_MULTIPART_BUFFER_OVERFLOW");
    ck_assert_str_eq(of_error_code_name(2, 15), "OFPBAC_BAD_SET_ARGUMENT");
    ck_assert_str_eq(of_error_code_name(3, 8), "OFPBIC_EPERM");
    ck_assert_str_eq(of_error_code_name(4, 11), "OFPBMC_EPERM");
    ck_assert_str_eq(of_error_code_name(5, 7), "OFPFMFC_BAD_FLAGS");
    ck_assert_str_eq(of_error_code_name(6, 14), "OFPGMFC_EPERM");
    ck_assert_str_eq(of_error_code_name(12, 11), "OFPMMFC_OUT_OF_BANDS");
    ck_assert_str_eq(of_error_code_name(13, 5), "OFPTFFC_EPERM");
    ck_assert_ptr_null(of_error_code_name(13, 6));
    ck_assert_ptr_null(of_error_code_name(14, 0));
    ck_assert_ptr_null(of_error_type_name(14));
    ck_assert_str_eq(of_error_type_name(0xffff), "OFPET_EXPERIMENTER");
}
END_TEST

UNIT_MAIN("of/vectors",
          controller_messages_mean_what_is_written_and_encode_to_the_same_octets,
          switch_messages_mean_what_is_written_and_encode_to_the_same_octets,
          messages_of_open_vswitch_mean_what_is_written,
          malformed_messages_are_named_and_not_misread,
          every_type_of_message_has_a_vector, errors_are_named_as_in_the_specification)
