#include "overheard.h"

#include "of/msg.h"

enum {
    LONGEST = 65536,
    /* Of so many octets, the last half has a chain of the longest messages in it. */
    UNSYNCED_MAX = 2 * (OVERHEARD_CHAIN + 1) * LONGEST,
    /* What came so late that this much came before it was not overtaken. */
    OVERTAKEN_MAX = 1 << 20,
};

struct sink {
    overheard_fn *fn;
    void *aux;
    int64_t at;
};

/* What is known of a message by its header: 0 if none of `by` begins like that. */
static size_t message_length(const struct overheard *o, const uint8_t *p, size_t n)
{
    struct cursor c = cursor_of(p, n);
    struct of_header h;

    if (!of_header_pull(&c, &h) || h.version != OFP_VERSION_13) {
        return 0;
    }
    const struct of_type_info *info = of_type_info(h.type);
    return info && info->senders & o->by && h.length >= info->min_len ? h.length : 0;
}

/* Its length, if there is a whole one. */
static size_t whole_message(const struct overheard *o, const uint8_t *p, size_t n)
{
    static struct of_msg msg;
    const size_t length = message_length(o, p, n);

    return length && length <= n && of_msg_decode(cursor_of(p, length), &msg) == OF_OK
               ? length
               : 0;
}

/* At least so many to the very end, or a chain. */
static bool are_messages(const struct overheard *o, const uint8_t *p, size_t n,
                         unsigned least)
{
    unsigned count = 0;
    size_t length;

    while (n && count < OVERHEARD_CHAIN && (length = whole_message(o, p, n))) {
        p += length;
        n -= length;
        count++;
    }
    return count == OVERHEARD_CHAIN || (!n && count >= least);
}

/* Drops what is before the first message that certainly begins here; the newest segment
 * begins at `newest`. */
static void find_message(struct overheard *o, size_t newest)
{
    const uint8_t *p = o->bytes.data;
    const size_t n = o->bytes.len;
    size_t at = 0;

    while (at < n && !are_messages(o, p + at, n - at, at == newest ? 1 : 2)) {
        at++;
    }
    o->synced = at < n;
    if (o->synced) {
        buf_pull(&o->bytes, at);
    } else if (n > UNSYNCED_MAX) {
        buf_pull(&o->bytes, n - UNSYNCED_MAX / 2);
    }
}

/* Tells of the whole messages there and goes on behind them; true as soon as fn says
 * so. */
static bool tell_messages(const struct overheard *o, const uint8_t **p, size_t *n,
                          const struct sink *sink)
{
    bool done = false;
    size_t length;

    while (!done && (length = message_length(o, *p, *n)) && length <= *n) {
        done = sink->fn(sink->aux, (*p)[1], cursor_of(*p, length), sink->at);
        *p += length;
        *n -= length;
    }
    return done;
}

static bool take_next(struct overheard *o, const uint8_t *bytes, size_t n_bytes,
                      const struct sink *sink)
{
    const size_t newest = o->bytes.len;

    buf_put(&o->bytes, bytes, n_bytes);
    o->next_seq += (uint32_t)n_bytes;
    o->guessed = o->guessed && o->next_seq - o->first_seq < OVERTAKEN_MAX;
    if (!o->synced) {
        find_message(o, newest);
    }
    if (!o->synced) {
        return false;
    }
    const uint8_t *p = o->bytes.data;
    size_t n = o->bytes.len;
    bool done = tell_messages(o, &p, &n, sink);
    /* Else what was certain was an accident. */
    o->synced = n < OFP_HEADER_LEN || message_length(o, p, n);
    buf_pull(&o->bytes, o->bytes.len - n);
    return done;
}

/* The first one overtook this one. */
static bool take_overtaken(const struct overheard *o, const uint8_t *p, size_t n,
                           const struct sink *sink)
{
    return are_messages(o, p, n, 1) && tell_messages(o, &p, &n, sink);
}

/* Those that were held, as far as they follow now. */
static bool take_held(struct overheard *o, struct sink *sink)
{
    bool done = false;

    for (unsigned i = 0; i < o->n_held && !done;) {
        struct overheard_segment s = o->held[i];
        int32_t ahead = (int32_t)(s.seq - o->next_seq);
        if (ahead > 0) {
            i++;
            continue;
        }
        o->held[i] = o->held[--o->n_held];
        if (!ahead) {
            sink->at = s.at;
            done = take_next(o, s.bytes.data, s.bytes.len, sink);
        }
        buf_uninit(&s.bytes);
        i = 0;
    }
    return done;
}

static void hold(struct overheard *o, uint32_t seq, int64_t at, const uint8_t *p,
                 size_t n)
{
    struct overheard_segment *s = &o->held[o->n_held++];

    *s = (struct overheard_segment){.seq = seq, .at = at};
    buf_put(&s->bytes, p, n);
}

static void begin(struct overheard *o, uint32_t seq)
{
    while (o->n_held) {
        buf_uninit(&o->held[--o->n_held].bytes);
    }
    buf_clear(&o->bytes);
    o->in_order = true;
    o->first_seq = o->next_seq = seq;
}

void overheard_uninit(struct overheard *o)
{
    begin(o, 0);
    buf_uninit(&o->bytes);
}

void overheard_syn(struct overheard *o, uint32_t seq)
{
    begin(o, seq + 1);
    o->synced = true;
    o->guessed = false;
}

bool overheard_take(struct overheard *o, uint32_t seq, int64_t at, const uint8_t *p,
                    size_t n, overheard_fn *fn, void *aux)
{
    struct sink sink = {fn, aux, at};
    const int32_t ahead = o->in_order ? (int32_t)(seq - o->next_seq) : 0;

    if (ahead < 0) {
        return o->guessed && (int32_t)(seq + (uint32_t)n - o->first_seq) <= 0 &&
               take_overtaken(o, p, n, &sink);
    }
    if (ahead > 0 && o->n_held < OVERHEARD_HELD) {
        hold(o, seq, at, p, n);
        return take_held(o, &sink); /* What fn left there. */
    }
    if (ahead || !o->in_order) {
        o->n_gaps += o->in_order;
        begin(o, seq);
        o->guessed = true;
        o->synced = false;
    }
    return take_next(o, p, n, &sink) || take_held(o, &sink);
}
