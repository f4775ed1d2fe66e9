#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "core/csv.h"
#include "core/mapping.h"

#define HEADER "vm_id,vm_port,ct_id,dp_id,dp_port\n"
#define ISL_HEADER \
    "vm_id,ct_id,dp_id,dp_port,eth_addr,rem_ct,rem_id,rem_port,rem_eth_addr\n"

static struct mapping_file file_of(const char *name, const char *text)
{
    return (struct mapping_file){.name = name, .data = text, .n = strlen(text)};
}

static struct mapping parse_good(const char *csv, const char *isl)
{
    struct mapping_file csv_file = file_of("a.csv", csv);
    struct mapping_file isl_file = file_of("isl.csv", isl ? isl : "");
    struct mapping m = {.rows = NULL};
    struct buf faults = {.len = 0};

    bool ok = mapping_parse(&csv_file, isl ? &isl_file : NULL, &m, &faults);
    ck_assert_msg(ok && !faults.len, "refused:\n%s", buf_cstr(&faults));
    buf_uninit(&faults);
    return m;
}

static void check_faults(const char *csv, size_t n, const char *isl,
                         const char *expected)
{
    struct mapping_file csv_file = {.name = "a.csv", .data = csv, .n = n};
    struct mapping_file isl_file = file_of("isl.csv", isl ? isl : "");
    struct mapping m = {.n_rows = 77};
    struct buf faults = {.len = 0};

    bool ok = mapping_parse(&csv_file, isl ? &isl_file : NULL, &m, &faults);
    ck_assert_msg(!ok && !strcmp(buf_cstr(&faults), expected),
                  "'%s'\n gives\n%s\n expected\n%s", csv, buf_cstr(&faults), expected);
    ck_assert_uint_eq(m.n_rows, 77);
    buf_uninit(&faults);
}

#define FAULTS(CSV, EXPECTED) check_faults(CSV, sizeof CSV - 1, NULL, EXPECTED)

static void check_row(const struct mapping_row *row, uint64_t vm_id, uint32_t vm_port,
                      uint32_t ct_id, uint64_t dp_id, uint32_t dp_port, unsigned line)
{
    ck_assert_uint_eq(row->vm.vm_id, vm_id);
    ck_assert_uint_eq(row->vm.vm_port, vm_port);
    ck_assert_uint_eq(row->dp.ct_id, ct_id);
    ck_assert_uint_eq(row->dp.dp_id, dp_id);
    ck_assert_uint_eq(row->dp.dp_port, dp_port);
    ck_assert_uint_eq(row->line, line);
}

START_TEST(file_of_routeflow_is_read)
{
    struct mapping m = parse_good(HEADER "2a0a0a0a0a0,1,0,5,1\n"
                                         "2A0A0A0A0A0,2,0,0x05,2\n"
                                         "0x2b0b0b0b0b0,1,0,6,1\n"
                                         "12a0a0a0a0a0,1,3,0x0000000000000099,65534\n",
                                  NULL);
    ck_assert_uint_eq(m.n_rows, 4);
    check_row(&m.rows[0], 0x2a0a0a0a0a0, 1, 0, 5, 1, 2);
    check_row(&m.rows[1], 0x2a0a0a0a0a0, 2, 0, 5, 2, 3);
    check_row(&m.rows[2], 0x2b0b0b0b0b0, 1, 0, 6, 1, 4);
    check_row(&m.rows[3], 0x12a0a0a0a0a0, 1, 3, 0x99, 65534, 5);
    mapping_uninit(&m);
}
END_TEST

START_TEST(bom_crlf_comments_blanks_and_a_missing_line_end_are_accepted)
{
    struct mapping m =
        parse_good("\xef\xbb\xbf# our switches\r\n\r\n"
                   "vm_id, vm_port, ct_id,\tdp_id, dp_port\r\n"
                   "  2a0a0a0a0a0 , 1,0 ,5,\t1   # to the host (h\xc3\xb6st)\r\n"
                   "   \t \n#2a0a0a0a0a0,9,0,5,9\n"
                   "2b0b0b0b0b0,65279,4294967295,5,4294967039",
                   NULL);
    ck_assert_uint_eq(m.n_rows, 2);
    check_row(&m.rows[0], 0x2a0a0a0a0a0, 1, 0, 5, 1, 4);
    check_row(&m.rows[1], 0x2b0b0b0b0b0, 65279, UINT32_MAX, 5, 4294967039, 7);
    mapping_uninit(&m);
}
END_TEST

#define CLASS_HEADER "vm_id,vm_port,ct_id,dp_id,dp_port,class\n"

START_TEST(sixth_column_gives_the_class_of_a_port)
{
    struct mapping m = parse_good(CLASS_HEADER "1,1,0,5,1,edge\n"
                                               "1,2,0,5,2,external\n"
                                               "1,3,0,5,3,internal\n"
                                               "1,4,0,5,4,blocked\n"
                                               "1,5,0,5,5,auto\n"
                                               "1,6,0,5,6,\n"
                                               "1,7,0,5,7\n",
                                  NULL);
    static const enum port_rule rules[] = {
        PORT_RULE_EDGE, PORT_RULE_EXTERNAL, PORT_RULE_INTERNAL, PORT_RULE_BLOCKED,
        PORT_RULE_AUTO, PORT_RULE_AUTO,     PORT_RULE_AUTO};
    ck_assert_uint_eq(m.n_rows, ARRAY_SIZE(rules));
    for (size_t i = 0; i < m.n_rows; i++) {
        ck_assert_int_eq(m.rows[i].rule, rules[i]);
    }
    mapping_uninit(&m);
    FAULTS(
        CLASS_HEADER "1,1,0,5,1,Edge\n1,2,0,5,2,edge,7\n1,3,0,5\n",
        "a.csv:2:11: found \"Edge\" as class, expected auto, edge, external, internal "
        "or blocked\n"
        "a.csv:3:16: found 7 fields, expected 6: "
        "vm_id,vm_port,ct_id,dp_id,dp_port,class\n"
        "a.csv:4:8: found 4 fields, expected 5: "
        "vm_id,vm_port,ct_id,dp_id,dp_port\n");
    FAULTS(HEADER "1,1,0,5,1,edge\n", "a.csv:2:11: found 6 fields, expected 5: "
                                      "vm_id,vm_port,ct_id,dp_id,dp_port\n");
}
END_TEST

START_TEST(class_alone_is_no_new_row)
{
    struct mapping from = parse_good(HEADER "1,1,0,5,1\n1,2,0,5,2\n", NULL);
    struct mapping to = parse_good(CLASS_HEADER "1,1,0,5,1,blocked\n1,2,0,5,2\n", NULL);
    struct mapping_diff diff;
    struct buf text = {.len = 0};

    mapping_diff(&from, &to, &diff);
    ck_assert_uint_eq(diff.n_removed + diff.n_added, 0);
    ck_assert_uint_eq(diff.n_same, 2);
    ck_assert_uint_eq(diff.n_reclassed, 1);
    ck_assert_int_eq(diff.reclassed[0].rule, PORT_RULE_BLOCKED);
    mapping_diff_format(&diff, &text);
    ck_assert_str_eq(buf_cstr(&text),
                     "~ vm 0x0000000000000001 port 1: datapath 0x0000000000000005 port "
                     "1, class blocked\n"
                     "rows: 0 removed, 0 added, 2 unchanged\n");
    buf_uninit(&text);
    mapping_diff_uninit(&diff);
    mapping_uninit(&from);
    mapping_uninit(&to);
}
END_TEST

START_TEST(header_alone_is_an_empty_mapping)
{
    struct mapping m = parse_good(HEADER, ISL_HEADER);
    ck_assert_uint_eq(m.n_rows + m.n_isls, 0);
    mapping_uninit(&m);
}
END_TEST

START_TEST(wrong_header_names_the_column_that_differs)
{
    FAULTS("", "a.csv:1:1: found no line with fields, expected the header line "
               "vm_id,vm_port,ct_id,dp_id,dp_port\n");
    FAULTS("\n# nothing\n", "a.csv:1:1: found no line with fields, expected the header "
                            "line vm_id,vm_port,ct_id,dp_id,dp_port\n");
    FAULTS("vm_id,port,ct_id,dp_id,dp_port\n",
           "a.csv:1:7: found \"port\" in the header line, expected \"vm_port\", as in "
           "vm_id,vm_port,ct_id,dp_id,dp_port\n");
    FAULTS("vm_id,vm_port,ct_id\n",
           "a.csv:1:20: found the end of the header line, expected \"dp_id\" next, as "
           "in vm_id,vm_port,ct_id,dp_id,dp_port\n");
    FAULTS("vm_id,vm_port,ct_id,dp_id,dp_port, x\n",
           "a.csv:1:36: found \"x\" in the header line, expected its end after "
           "vm_id,vm_port,ct_id,dp_id,dp_port\n");
    FAULTS(
        "2a0a0a0a0a0,1,0,5,1\n",
        "a.csv:1:1: found \"2a0a0a0a0a0\" in the header line, expected \"vm_id\", as "
        "in vm_id,vm_port,ct_id,dp_id,dp_port\n");
}
END_TEST

START_TEST(every_fault_is_reported_at_once_with_line_and_column)
{
    FAULTS(
        HEADER "2a0a0a0a0a0,1,0,5,1\n"
               "xyz,0,-1,0,4294967040\n"
               "\n"
               "2a0a0a0a0a0,2,0\n"
               "2a0a0a0a0a0,3,0,5,3,7\n"
               "1000000000000, 65280,4294967296,10000000000000000,0\n"
               "02:a0:a0:a0:a0:a0,4,0,5,4\n"
               ",,,,\n"
               "2a0a0a0a0a0,5,0,0x7266767300000001,5\n",
        "a.csv:3:1: found \"xyz\" as vm_id, expected a hexadecimal number from 1 to "
        "ffffffffffff\n"
        "a.csv:3:5: found \"0\" as vm_port, expected a decimal number from 1 to "
        "65279\n"
        "a.csv:3:7: found \"-1\" as ct_id, expected a decimal number from 0 to "
        "4294967295\n"
        "a.csv:3:10: found \"0\" as dp_id, expected a hexadecimal number from 1 to "
        "ffffffffffffffff\n"
        "a.csv:3:12: found \"4294967040\" as dp_port, expected a decimal number from "
        "1 to 4294967039\n"
        "a.csv:5:16: found 3 fields, expected 5: vm_id,vm_port,ct_id,dp_id,dp_port\n"
        "a.csv:6:21: found 6 fields, expected 5: vm_id,vm_port,ct_id,dp_id,dp_port\n"
        "a.csv:7:1: found \"1000000000000\" as vm_id, expected a hexadecimal number "
        "from 1 to ffffffffffff\n"
        "a.csv:7:16: found \"65280\" as vm_port, expected a decimal number from 1 to "
        "65279\n"
        "a.csv:7:22: found \"4294967296\" as ct_id, expected a decimal number from 0 "
        "to 4294967295\n"
        "a.csv:7:33: found \"10000000000000000\" as dp_id, expected a hexadecimal "
        "number from 1 to ffffffffffffffff\n"
        "a.csv:7:51: found \"0\" as dp_port, expected a decimal number from 1 to "
        "4294967039\n"
        "a.csv:8:1: found \"02:a0:a0:a0:a0:a0\" as vm_id, expected it without colons, "
        "02a0a0a0a0a0\n"
        "a.csv:9:1: found nothing as vm_id, expected a hexadecimal number from 1 to "
        "ffffffffffff\n"
        "a.csv:9:2: found nothing as vm_port, expected a decimal number from 1 to "
        "65279\n"
        "a.csv:9:3: found nothing as ct_id, expected a decimal number from 0 to "
        "4294967295\n"
        "a.csv:9:4: found nothing as dp_id, expected a hexadecimal number from 1 to "
        "ffffffffffffffff\n"
        "a.csv:9:5: found nothing as dp_port, expected a decimal number from 1 to "
        "4294967039\n"
        "a.csv:10:17: found \"0x7266767300000001\" as dp_id, expected the id of a "
        "real switch (those under 72667673 are RFVS)\n");
}
END_TEST

START_TEST(lines_that_are_no_text_are_reported)
{
    char text[sizeof HEADER + 2000];
    size_t n = strlen(HEADER);

    FAULTS(HEADER "2a0a0a0a0a0,1,0,5\0,1\n", "a.csv:2:18: found the control character "
                                             "0x00, expected text\n");
    FAULTS(HEADER "2a0a0a0a0a0,1\r,0,5,1\n",
           "a.csv:2:14: found a carriage return inside a line, expected lines that end "
           "in LF or CR LF\n");
    FAULTS(
        HEADER "\xff\"2a,1,0,5,1\n",
        "a.csv:2:1: found \"\\xff\"2a\" as vm_id, expected a hexadecimal number from "
        "1 to ffffffffffff\n");
    FAULTS(HEADER "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1\n",
           "a.csv:2:33: found more than 16 fields\n");
    FAULTS(HEADER "123456789012345678901234567890,1,0,5,1\n",
           "a.csv:2:1: found \"123456789012345678901234\"... as vm_id, expected a "
           "hexadecimal number from 1 to ffffffffffff\n");

    memcpy(text, HEADER, n);
    memset(text + n, '1', 1025);
    check_faults(text, n + 1025, NULL,
                 "a.csv:2:1025: found a line of 1025 octets, expected 1024 at most\n");
    check_faults(text, n + 1024, NULL,
                 "a.csv:2:1025: found 1 field, expected 5: "
                 "vm_id,vm_port,ct_id,dp_id,dp_port\n");
}
END_TEST

#define VM1 "0x0000000000000001"
#define VM2 "0x0000000000000002"
#define DP5 "0x0000000000000005"
#define DP6 "0x0000000000000006"

START_TEST(duplicate_keys_name_the_first_line)
{
    FAULTS(
        HEADER "1,1,0,5,1\n1,1,0,5,2\n1,2,0,5,1\n1,1,0,5,1\n",
        "a.csv:3:1: found vm " VM1 " port 1 again, expected it once: it is in line 2\n"
        "a.csv:4:5: found datapath " DP5
        " port 1 again, expected it once: it is in line 2\n"
        "a.csv:5:1: found vm " VM1 " port 1 again, expected it once: it is in line 2\n"
        "a.csv:5:5: found datapath " DP5
        " port 1 again, expected it once: it is in line 2\n");
}
END_TEST

#define MAC1 "02:a1:a1:a1:a1:a1"
#define MAC2 "02:a2:a2:a2:a2:a2"
#define SPANNING HEADER "1,1,0,5,1\n1,2,0,6,1\n1,3,0,6,2\n"
#define SHARING HEADER "1,1,0,5,1\n2,1,0,5,2\n2,2,0,5,3\n"

START_TEST(vm_and_datapath_are_one_to_one_unless_rfisl_says_so)
{
    FAULTS(SPANNING,
           "a.csv:3:7: found datapath " DP6 " for vm " VM1 ", expected datapath " DP5
           " as in line 2, or inter-switch links of that vm at both\n");
    FAULTS(HEADER "1,1,0,5,1\n1,2,3,5,2\n",
           "a.csv:3:7: found datapath " DP5 " of controller 3 for vm " VM1
           ", expected datapath " DP5
           " as in line 2, or inter-switch links of that vm at both\n");
    FAULTS(SHARING, "a.csv:3:1: found vm " VM2 " for datapath " DP5 ", expected " VM1
                    " as in line 2, or inter-switch links of both at that datapath\n");
    check_faults(
        SPANNING, strlen(SPANNING), ISL_HEADER "2,0,5,9," MAC1 ",0,6,9," MAC2 "\n",
        "a.csv:3:7: found datapath " DP6 " for vm " VM1 ", expected datapath " DP5
        " as in line 2, or inter-switch links of that vm at both\n");

    struct mapping m =
        parse_good(SPANNING, ISL_HEADER "1,0,5,9," MAC1 ",0,6,9," MAC2 "\n"
                                        "1,0,6,9," MAC2 ",0,5,9," MAC1 "\n");
    ck_assert_uint_eq(m.n_rows, 3);
    ck_assert_uint_eq(m.n_isls, 2);
    ck_assert_uint_eq(m.isls[0].b.dp_port, 9);
    ck_assert_uint_eq(m.isls[0].b_eth.ea[5], 0xa2);
    mapping_uninit(&m);

    m = parse_good(SHARING, ISL_HEADER "1,0,5,8," MAC1 ",0,6,8," MAC2 "\n"
                                       "2,0,5,9," MAC1 ",0,6,9," MAC2 "\n");
    ck_assert_uint_eq(m.n_rows, 3);
    mapping_uninit(&m);
}
END_TEST

START_TEST(faults_of_rfisl_are_reported_with_those_of_the_mapping)
{
    check_faults(
        HEADER "1,1,0,5,x\n", strlen(HEADER "1,1,0,5,x\n"),
        ISL_HEADER "1,0,5,9,nomac,0,6,9,01:00:00:00:00:01\n"
                   "1,0,5,9," MAC1 ",0,5,9," MAC2 "\n"
                   "1,0,5,1," MAC1 ",0,6,1," MAC2 "\n"
                   "1,0,5,1," MAC1 ",0,6,1," MAC2 "\n"
                   "1,0,7,1," MAC1 ",0,6,1," MAC2 "\n"
                   "1,0,7\n",
        "a.csv:2:9: found \"x\" as dp_port, expected a decimal number from 1 to "
        "4294967039\n"
        "isl.csv:2:9: found \"nomac\" as eth_addr, expected a unicast MAC "
        "address such as 02:a1:a1:a1:a1:a1\n"
        "isl.csv:2:21: found \"01:00:00:00:00:01\" as rem_eth_addr, expected a "
        "unicast MAC address such as 02:a1:a1:a1:a1:a1\n"
        "isl.csv:3:27: found datapath " DP5 " port 9 at both ends, expected two ports\n"
        "isl.csv:5:3: found datapath " DP5
        " port 1 again, expected it once: it is in line 4\n"
        "isl.csv:6:27: found datapath " DP6
        " port 1 again, expected it with datapath " DP5 " port 1 as in line 4\n"
        "isl.csv:7:6: found 3 fields, expected 9: vm_id,ct_id,dp_id,dp_port,"
        "eth_addr,rem_ct,rem_id,rem_port,rem_eth_addr\n");
}
END_TEST

START_TEST(mapped_port_cannot_be_the_end_of_an_inter_switch_link)
{
    check_faults(HEADER "1,1,0,5,9\n", strlen(HEADER "1,1,0,5,9\n"),
                 ISL_HEADER "1,0,5,9," MAC1 ",0,6,9," MAC2 "\n",
                 "a.csv:2:7: found datapath " DP5
                 " port 9, expected a port that is not the end of an inter-switch "
                 "link: it is one in isl.csv:2\n");
}
END_TEST

static void put_rows(struct buf *text)
{
    for (unsigned i = 0; i < 10000; i++) {
        buf_printf(text, "%x,%u,0,%x,%u\n", 1 + i / 20, 1 + i % 20, 1 + i / 20,
                   1 + i % 20);
    }
}

START_TEST(ten_thousand_rows_are_read_and_compared)
{
    struct buf text = {.len = 0};

    buf_printf(&text, HEADER);
    put_rows(&text);
    struct mapping m = parse_good(buf_cstr(&text), NULL);
    ck_assert_uint_eq(m.n_rows, 10000);
    check_row(&m.rows[9999], 500, 20, 0, 500, 20, 10001);

    struct mapping_diff diff;
    mapping_diff(&m, &m, &diff);
    ck_assert_uint_eq(diff.n_same, 10000);
    ck_assert_uint_eq(diff.n_added + diff.n_removed, 0);
    mapping_diff_uninit(&diff);
    mapping_uninit(&m);

    put_rows(&text); /* As many duplicates. */
    struct mapping_file file = {.name = "a.csv", .data = text.data, .n = text.len};
    struct buf faults = {.len = 0};
    ck_assert(!mapping_parse(&file, NULL, &m, &faults));
    unsigned n_faults = 0;
    for (size_t i = 0; i < faults.len; i++) {
        n_faults += faults.data[i] == '\n';
    }
    ck_assert_uint_eq(n_faults, 2 * 10000);
    buf_uninit(&faults);
    buf_uninit(&text);
}
END_TEST

START_TEST(diff_lists_rows_that_leave_and_come)
{
    struct mapping from = parse_good(HEADER "1,1,0,5,1\n1,2,0,5,2\n1,3,0,5,3\n", NULL);
    struct mapping to = parse_good(HEADER "1,3,0,5,3\n1,2,0,5,4\n1,1,0,5,1\n"
                                          "2,1,7,6,1\n",
                                   ISL_HEADER "1,0,5,9," MAC1 ",0,6,9," MAC2 "\n");
    struct mapping_diff diff;
    struct buf out = {.len = 0};

    mapping_diff(&from, &to, &diff);
    mapping_diff_format(&diff, &out);
    ck_assert_str_eq(buf_cstr(&out),
                     "- vm " VM1 " port 2: datapath " DP5 " port 2\n"
                     "+ vm " VM1 " port 2: datapath " DP5 " port 4\n"
                     "+ vm " VM2 " port 1: datapath " DP6 " port 1 of controller 7\n"
                     "rows: 1 removed, 2 added, 2 unchanged; inter-switch links "
                     "changed\n");
    mapping_diff_uninit(&diff);

    mapping_diff(NULL, &to, &diff);
    ck_assert_uint_eq(diff.n_added, 4);
    mapping_diff_uninit(&diff);
    mapping_diff(&from, NULL, &diff);
    ck_assert_uint_eq(diff.n_removed, 3);
    ck_assert(!diff.isl_changed);
    mapping_diff_uninit(&diff);
    buf_uninit(&out);
    mapping_uninit(&from);
    mapping_uninit(&to);
}
END_TEST

/* Whatever the octets, the parser ends, and a refusal has a reason. */
START_TEST(damaged_files_are_refused_or_read_but_never_break_the_parser)
{
    static const char good[] = HEADER "2a0a0a0a0a0,1,0,5,1 # x\r\n0x2b0,2,1,6,2\n";
    static const char odd[] = {0,   '\n', '\r', ',', '#',
                               ' ', '\t', '"',  'x', (char)0xff};
    char text[sizeof good];

    for (size_t i = 0; i < sizeof good - 1; i++) {
        for (size_t k = 0; k < sizeof odd; k++) {
            for (size_t n = i + 1; n < sizeof good; n += 7) {
                struct mapping m;
                struct buf faults = {.len = 0};
                memcpy(text, good, sizeof good);
                text[i] = odd[k];
                struct mapping_file file = {.name = "a.csv", .data = text, .n = n};
                if (mapping_parse(&file, &file, &m, &faults)) {
                    mapping_uninit(&m);
                    ck_abort_msg("no file is both");
                }
                if (!faults.len) {
                    ck_abort_msg("refused without a reason");
                }
                buf_uninit(&faults);
                if (mapping_parse(&file, NULL, &m, &faults)) {
                    mapping_uninit(&m);
                } else if (!faults.len) {
                    ck_abort_msg("refused without a reason");
                }
                buf_uninit(&faults);
            }
        }
    }
}
END_TEST

UNIT_MAIN("core/mapping", file_of_routeflow_is_read,
          bom_crlf_comments_blanks_and_a_missing_line_end_are_accepted,
          sixth_column_gives_the_class_of_a_port, class_alone_is_no_new_row,
          header_alone_is_an_empty_mapping, wrong_header_names_the_column_that_differs,
          every_fault_is_reported_at_once_with_line_and_column,
          lines_that_are_no_text_are_reported, duplicate_keys_name_the_first_line,
          vm_and_datapath_are_one_to_one_unless_rfisl_says_so,
          faults_of_rfisl_are_reported_with_those_of_the_mapping,
          mapped_port_cannot_be_the_end_of_an_inter_switch_link,
          ten_thousand_rows_are_read_and_compared, diff_lists_rows_that_leave_and_come,
          damaged_files_are_refused_or_read_but_never_break_the_parser)
