/* Vectors, mutated by a deterministic generator: whatever the octets, decoding and
 * printing stay inside them, and a session neither stops nor grows without bound.  The
 * sanitizers are what makes this strong. */

#include "unit.h"

#include "base/hash.h"
#include "of/multipart.h"
#include "of/print.h"
#include "of/put.h"
#include "of/session.h"
#include "vectors.h"

enum { ROUNDS = 1000 };

static uint32_t next_random(uint64_t *state, uint32_t bound)
{
    *state += 0x9e3779b97f4a7c15u;
    return (uint32_t)(hash_u64(*state) >> 32) % bound;
}

/* Changes some octets, cuts or extends; the length field mostly follows. */
static void mutate(struct buf *b, uint64_t *rng)
{
    static const uint8_t nasty[] = {0x00, 0x01, 0x04, 0x07, 0x08, 0x7f, 0x80, 0xff};

    for (uint32_t n = next_random(rng, 4); n; n--) {
        size_t at = next_random(rng, (uint32_t)b->len);
        b->data[at] = next_random(rng, 2) ? nasty[next_random(rng, ARRAY_SIZE(nasty))]
                                          : (uint8_t)next_random(rng, 256);
    }
    switch (next_random(rng, 6)) {
    case 0:
        b->len = 1 + next_random(rng, (uint32_t)b->len);
        break;
    case 1:
        buf_put_zeros(b, next_random(rng, 24));
        break;
    }
    if (b->len >= OFP_HEADER_LEN && next_random(rng, 8)) {
        b->data[0] = OFP_VERSION_13;
        buf_set_u16(b, 2, (uint16_t)b->len);
    }
}

/* An exact copy on the heap, so that a read beyond the end is seen. */
static void print_copy(const struct buf *b)
{
    uint8_t *copy = xmalloc(b->len);
    struct buf text = {0};

    memcpy(copy, b->data, b->len);
    of_print(&text, copy, b->len);
    bool readable = text.len > 0;
    for (size_t i = 0; i < text.len; i++) {
        readable &= text.data[i] >= ' ' && text.data[i] <= '~';
    }
    if (!readable) { /* An assertion of libcheck is a system call. */
        ck_abort_msg("not one readable line: %s", buf_cstr(&text));
    }
    buf_uninit(&text);
    free(copy);
}

static void fuzz_print(const char *name)
{
    struct vectors *vs = vectors_read(name);
    uint64_t rng = 1;
    struct buf b = {0};

    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < vs->n; i++) {
            buf_clear(&b);
            buf_put(&b, vs->v[i].octets.data, vs->v[i].octets.len);
            mutate(&b, &rng);
            print_copy(&b);
        }
    }
    buf_uninit(&b);
    vectors_free(vs);
}

START_TEST(any_octets_print_as_one_line_of_text)
{
    fuzz_print("controller");
    fuzz_print("switch");
    fuzz_print("ovs");
    fuzz_print("malformed");
}
END_TEST

START_TEST(every_prefix_of_every_message_prints)
{
    static const char *const files[] = {"controller", "switch", "ovs", "malformed"};

    for (size_t f = 0; f < ARRAY_SIZE(files); f++) {
        struct vectors *vs = vectors_read(files[f]);
        for (size_t i = 0; i < vs->n; i++) {
            struct buf b = vs->v[i].octets;
            for (b.len = 1; b.len < vs->v[i].octets.len && b.len < 300; b.len++) {
                print_copy(&b);
            }
        }
        vectors_free(vs);
    }
}
END_TEST

/* Takes a session up: the xids are those of a new session. */
static void feed_handshake(struct of_session *s)
{
    struct buf b = {0};
    struct of_event ev;

    of_put_hello(&b, 1, OFP_VERSION_13, 1u << OFP_VERSION_13);
    of_put_features_reply(&b, 2,
                          &(struct of_features){.datapath_id = 5, .n_tables = 2});
    of_put_multipart_end(&b, of_put_multipart_reply(&b, 4, OFPMP_PORT_DESC, 0));
    of_session_input(s, b.data, b.len, 0);
    ck_assert(of_session_next(s, &ev) && ev.type == OF_EV_UP);
    buf_uninit(&b);
}

/* Walks what a consumer would. */
static void consume(const struct of_event *ev)
{
    struct of_flow_stats fs;
    struct of_group_desc gd;
    enum of_err err;

    if (ev->type == OF_EV_MESSAGE && ev->msg->h.type == OFPT_MULTIPART_REPLY) {
        struct cursor c = ev->msg->multipart.body;
        while (of_flow_stats_next(&c, &fs, &err)) {
            continue;
        }
        c = ev->msg->multipart.body;
        while (of_group_desc_next(&c, &gd, &err)) {
            continue;
        }
    }
    if (ev->type == OF_EV_DOWN || ev->type == OF_EV_ERROR || ev->type == OF_EV_FAULT) {
        if (!ev->text || !ev->text[0]) {
            ck_abort_msg("event %d has no text", ev->type);
        }
    }
}

START_TEST(a_session_survives_any_octets_in_any_portions)
{
    static const char *const files[] = {"switch", "ovs", "malformed", "controller"};
    uint64_t rng = 2;
    struct of_session_config config;
    struct buf b = {0};
    int downs = 0, messages = 0;

    of_session_config_init(&config);
    for (size_t f = 0; f < ARRAY_SIZE(files); f++) {
        struct vectors *vs = vectors_read(files[f]);
        for (int round = 0; round < ROUNDS; round++) {
            struct of_session *s = of_session_create(&config, 0);
            bool down = false;
            feed_handshake(s);
            for (size_t i = 0; i < vs->n && !down; i++) {
                struct of_event ev;
                buf_clear(&b);
                buf_put(&b, vs->v[i].octets.data, vs->v[i].octets.len);
                if (!next_random(&rng, 3)) {
                    mutate(&b, &rng);
                }
                for (size_t at = 0; at < b.len && !down;) {
                    size_t portion = 1 + next_random(&rng, 200);
                    size_t n = MIN(b.len - at, portion);
                    of_session_input(s, b.data + at, n, 1);
                    at += n;
                    while (of_session_next(s, &ev)) {
                        consume(&ev);
                        messages++;
                        down = ev.type == OF_EV_DOWN;
                    }
                }
                of_session_sent(s, of_session_pending(s).n);
            }
            downs += down;
            of_session_destroy(s);
        }
        vectors_free(vs);
    }
    buf_uninit(&b);
    ck_assert_int_gt(downs, 0);
    ck_assert_int_gt(messages, 1000);
}
END_TEST

UNIT_MAIN("of/fuzz", any_octets_print_as_one_line_of_text,
          every_prefix_of_every_message_prints,
          a_session_survives_any_octets_in_any_portions)
