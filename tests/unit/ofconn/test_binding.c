#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ofconn/binding.h"

START_TEST(a_name_is_dpid_and_the_id_up_to_a_blank)
{
    ck_assert(binding_name_is("dpid-0000000000000005", 5));
    ck_assert(binding_name_is("dpid-5", 5));
    ck_assert(binding_name_is("DPID-AbCdEf", 0xabcdef));
    ck_assert(binding_name_is("dpid-0000000000000005 id:dpid-6", 5));
    ck_assert(binding_name_is("dpid-7266767300000001 2026 Nov 20", 0x7266767300000001));
    ck_assert(binding_name_is("dpid-ffffffffffffffff", UINT64_MAX));
}
END_TEST

START_TEST(other_names_are_no_datapath)
{
    static const char *const others[] = {"",
                                         "dpid-",
                                         "dpid- 5",
                                         "dpid-5x",
                                         "dpid-5.example.net",
                                         "xdpid-5",
                                         " dpid-5",
                                         "dpid-5\t",
                                         "switch-5",
                                         "5",
                                         "dpid",
                                         "dpid--5",
                                         "dpid-6 5",
                                         "*",
                                         "dpid-*",
                                         "dpid-+5",
                                         "id:x dpid-5",
                                         "dpid-00000000000000000000000000000000000005"};

    for (unsigned i = 0; i < ARRAY_SIZE(others); i++) {
        ck_assert_msg(!binding_name_is(others[i], 5), "%s", others[i]);
    }
    ck_assert(!binding_name_is("dpid-", 0));
}
END_TEST

static int read_text(const char *text, struct binding_list **ret,
                     char error[static BINDING_ERR_LEN])
{
    char path[] = "/tmp/rf-binding-test.XXXXXX";
    FILE *f = fdopen(mkstemp(path), "w");

    fputs(text, f);
    fclose(f);
    int result = binding_list_read(path, ret, error);
    unlink(path);
    return result;
}

#define TEN "0123456789abcdef"
#define PLAIN TEN TEN TEN TEN
#define COLONS                                      \
    "FF:EE:DD:CC:BB:AA:99:88:77:66:55:44:33:22:11:" \
    "00:00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F"

START_TEST(a_list_maps_fingerprints_to_datapaths)
{
    static const uint8_t one[32] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
                                    0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
                                    0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
                                    0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef};
    static const uint8_t two[32] = {0xff, 0xee, 0xdd, 0xcc, 0xbb, 0xaa, 0x99, 0x88,
                                    0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0x00,
                                    0,    1,    2,    3,    4,    5,    6,    7,
                                    8,    9,    10,   11,   12,   13,   14,   15};
    char error[BINDING_ERR_LEN];
    struct binding_list *list = NULL;

    ck_assert_int_eq(read_text("# switches\n\n" PLAIN " 5\n" COLONS
                               "\t0x6 7\n  # end\n" PLAIN " 8",
                               &list, error),
                     0);
    ck_assert(binding_list_has(list, one, 5));
    ck_assert(binding_list_has(list, one, 8));
    ck_assert(!binding_list_has(list, one, 6));
    ck_assert(binding_list_has(list, two, 6));
    ck_assert(binding_list_has(list, two, 7));
    ck_assert(!binding_list_has(list, two, 5));
    binding_list_destroy(list);
}
END_TEST

START_TEST(a_fault_in_a_list_is_named_by_its_line)
{
    static const struct {
        const char *text, *fault;
    } bad[] = {
        {PLAIN " 5\n" PLAIN "\n", ":2: expected a datapath id after the fingerprint"},
        {PLAIN "0 5\n", ":1: expected a SHA-256 fingerprint"},
        {TEN TEN TEN " 5\n", ":1: expected a SHA-256 fingerprint"},
        {COLONS ": 5\n", ":1: expected a SHA-256 fingerprint"},
        {"# x\n" PLAIN " five\n", ":2: expected hexadecimal datapath ids"},
        {PLAIN " 5 12345678901234567\n", ":1: expected hexadecimal datapath ids"},
    };
    char error[BINDING_ERR_LEN];
    struct binding_list *list = NULL;

    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        ck_assert_int_eq(read_text(bad[i].text, &list, error), EINVAL);
        ck_assert_msg(strstr(error, bad[i].fault), "%u: %s", i, error);
    }
    ck_assert_int_eq(binding_list_read("/nonexistent/x", &list, error), ENOENT);
    ck_assert_str_eq(error, "/nonexistent/x: No such file or directory");
    ck_assert_ptr_null(list);
}
END_TEST

UNIT_MAIN("ofconn/binding", a_name_is_dpid_and_the_id_up_to_a_blank,
          other_names_are_no_datapath, a_list_maps_fingerprints_to_datapaths,
          a_fault_in_a_list_is_named_by_its_line)
