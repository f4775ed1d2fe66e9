/* What is installed in a switch.
 *
 * On a new connection the switch is first asked what it is and how many meters it has,
 * then its meters, groups and flow entries are read back; the same again from time to
 * time.  In between, every second, the counters of the leak entries are read, and some
 * entries counted of which none may vanish.
 *
 * Open vSwitch does nothing else while it reads all entries back: for 20 ms with 10,000
 * of them, for seconds with a million.  On a new connection that is the fastest way,
 * and the only one that finds entries of ours with cookies that none should have.
 * Later, when there are many, they are asked for in portions (pipeline.h), with rests
 * of three times as long: so changes of routes and frames of the slow path wait for one
 * portion at most, and most of them for none.  Recon is told one audit.
 *
 * Replies come in parts of up to 64 KB and are fed to recon as they come; nothing is
 * collected. */

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "datapath.h"
#include "of/multipart.h"
#include "of/put.h"

#define LOG_MODULE "audit"
#include "base/log.h"

#define DISCOVER_MS 5000 /* Then go on without the answers. */
#define SHARE_LIMIT 1024 /* Users of a group, where groups can be chained. */
#define STALLED_MS 30000 /* An audit of which nothing is heard. */
#define LEAKS_MS 1000
/* FIB entries.  With fewer, all at once cost less than portions, even empty ones. */
#define PORTIONS_FROM 8192
#define JUDGE_SLICE 8192 /* FIB entries: 0.1 ms. */

/* A switch without an index of cookies looks at all entries for each portion; that is
 * soon known, as no answer is quick. */
#define PROBATION 16
#define PROBATION_US 20000
#define REST_AFTER_US 1000 /* Of answers ... */
#define REST_FACTOR 3      /* ... so many times as long, and ... */
#define REST_MAX_MS 1000   /* ... never as long as what counts as stalled. */
#define BULK 8192          /* FIB entries that are pending: a download. */

/* The next audit: soon if that costs little, so that an entry which somebody deleted by
 * hand is back after seconds; what takes long is done for 2 % of the time, and 50
 * switches a second are enough. */
#define INTERVAL_MIN_MS 5000
#define INTERVAL_FACTOR 50
#define INTERVAL_PER_DATAPATH_MS 20

static struct buf *request(struct datapath *dp, uint32_t *ret_xid)
{
    *ret_xid = datapath_xid(dp);
    return of_session_output(dp->session);
}

void audit_connected(struct datapath *dp)
{
    struct audit *audit = &dp->audit;
    const int64_t now = loop_now();

    *audit = (struct audit){.phase = AUDIT_DISCOVER, .first = true, .progress_at = now};
    struct buf *out = request(dp, &audit->desc_xid);
    of_put_multipart_request(out, audit->desc_xid, OFPMP_DESC);
    out = request(dp, &audit->features_xid);
    of_put_multipart_request(out, audit->features_xid, OFPMP_METER_FEATURES);
    out = request(dp, &audit->group_features_xid);
    of_put_multipart_request(out, audit->group_features_xid, OFPMP_GROUP_FEATURES);
    recon_set_share_limit(dp->recon, 0);
    recon_set_alternates(dp->recon, false);
}

void audit_disconnected(struct datapath *dp)
{
    dp->audit = (struct audit){.phase = AUDIT_IDLE};
    loop_timer_cancel(dp->rest);
}

static void ask_flows(struct datapath *dp, uint64_t cookie, uint64_t mask)
{
    struct audit *audit = &dp->audit;
    struct of_flow_request flows;

    of_flow_request_init(&flows);
    flows.cookie = cookie;
    flows.cookie_mask = mask;
    struct buf *out = request(dp, &audit->flows_xid);
    of_put_flow_stats_request(out, audit->flows_xid, &flows);
    audit->n_requests++;
    audit->asked_us = loop_now_us();
    datapath_kick(dp);
}

static void ask_all(struct datapath *dp)
{
    dp->audit.in_portions = false;
    ask_flows(dp, PIPELINE_COOKIE, PIPELINE_COOKIE_MASK);
}

/* False: that was the last one. */
static bool ask_portion(struct datapath *dp)
{
    struct audit *audit = &dp->audit;

    audit->portion = pipeline_next_cookie(audit->portion);
    if (!audit->portion) {
        return false;
    }
    if (audit->n_requests == PROBATION && audit->quickest_us > PROBATION_US) {
        log_info("datapath %s needs %lld ms for each portion of its entries: audits "
                 "ask for all at once",
                 dp->name, (long long)audit->quickest_us / 1000);
        audit->no_index = true;
        ask_all(dp);
    } else {
        ask_flows(dp, audit->portion, UINT64_MAX);
    }
    return true;
}

static void audit_start(struct datapath *dp, int64_t now)
{
    struct audit *audit = &dp->audit;
    struct recon_counts fib;
    struct buf *out;

    audit->phase = AUDIT_READ;
    audit->progress_at = now;
    audit->vanished = false;
    audit->n_requests = 0;
    audit->portion = 0;
    audit->busy_us = audit->unrested_us = 0;
    audit->quickest_us = INT64_MAX;
    recon_counts(dp->recon, RECON_FIB, &fib);
    audit->in_portions =
        !audit->first && !audit->no_index && fib.installed >= PORTIONS_FROM;
    recon_audit_begin(dp->recon);
    if (dp->pipeline.max_meter) {
        out = request(dp, &audit->meters_xid);
        of_put_meter_request(out, audit->meters_xid, OFPMP_METER_CONFIG, OFPM_ALL);
    }
    out = request(dp, &audit->groups_xid);
    of_put_multipart_request(out, audit->groups_xid, OFPMP_GROUP_DESC);
    if (!audit->in_portions) {
        ask_all(dp);
    }
    datapath_kick(dp);
}

/* Up to an eighth shorter, differently for each switch: those that came together are
 * not read together for ever. */
static int64_t next_interval(const struct datapath *dp, int64_t took)
{
    const int64_t cheap =
        MAX(INTERVAL_FACTOR * took,
            INTERVAL_PER_DATAPATH_MS * (int64_t)HASH_COUNT(dp->proxy->datapaths));
    const int64_t interval =
        MIN(dp->proxy->config.audit_interval_ms, MAX(INTERVAL_MIN_MS, cheap));

    return interval - (int64_t)(hash_u64(dp->id) % (uint64_t)(interval / 8 + 1));
}

static void audit_finish(struct datapath *dp, size_t n)
{
    struct audit *audit = &dp->audit;

    audit->phase = AUDIT_IDLE;
    audit->next_at = loop_now() + next_interval(dp, audit->busy_us / 1000);
    dp->counters.audits++;
    log_debug("datapath %s: audit by %u requests took %lld ms, %zu entries differ",
              dp->name, audit->n_requests, (long long)audit->busy_us / 1000, n);
    if (n && !audit->first) {
        log_warn_limited(
            &dp->repairs,
            "datapath %s: %zu entries were not as they should be; repairing", dp->name,
            n);
    }
    audit->first = false;
}

/* What is found goes out meanwhile. */
void audit_judge(void *dp_)
{
    struct datapath *dp = dp_;
    size_t n;

    if (dp->audit.phase != AUDIT_JUDGE) {
        return; /* The connection was lost. */
    }
    if (recon_audit_slice(dp->recon, JUDGE_SLICE, &n)) {
        audit_finish(dp, n);
    } else {
        loop_defer_schedule(dp->judge);
    }
    sync_kick(dp);
}

static void audit_abort(struct datapath *dp, const char *why)
{
    struct audit *audit = &dp->audit;

    log_warn_limited(&dp->faults, "datapath %s: audit given up: %s", dp->name, why);
    recon_audit_abort(dp->recon);
    audit->meters_xid = audit->groups_xid = audit->flows_xid = 0;
    loop_timer_cancel(dp->rest);
    audit->phase = AUDIT_IDLE;
    audit->next_at = loop_now() + MIN(dp->proxy->config.audit_interval_ms, 5000);
}

/* Ends a phase when its last answer is there. */
static void audit_advance(struct datapath *dp)
{
    struct audit *audit = &dp->audit;

    if (audit->phase == AUDIT_DISCOVER && !audit->desc_xid && !audit->features_xid &&
        !audit->group_features_xid) {
        struct pipeline_config config = dp->pipeline;
        config.max_meter = audit->max_meter;
        config.local_table = dp->n_tables > PIPELINE_LOCAL;
        config.lengths = dp->n_tables > PIPELINE_LENGTH;
        if (config.max_meter < PIPE_METER_PORT) {
            config.max_meter = 0;
            log_warn("datapath %s has no meters: floods from hosts reach rfproxy",
                     dp->name);
        }
        plane_configure(dp, &config);
        datapath_described(dp);
        audit_start(dp, loop_now());
    } else if (audit->phase == AUDIT_READ && !audit->meters_xid && !audit->groups_xid &&
               !audit->flows_xid && !loop_timer_is_set(dp->rest) &&
               !(audit->in_portions && ask_portion(dp))) {
        audit->phase = AUDIT_JUDGE;
        audit_judge(dp);
    }
}

void audit_rested(void *dp)
{
    audit_advance(dp);
}

/* All of an answer has come. */
static void flows_read(struct datapath *dp)
{
    struct audit *audit = &dp->audit;
    const int64_t took = loop_now_us() - audit->asked_us;

    audit->busy_us += took;
    audit->unrested_us += took;
    audit->quickest_us = MIN(audit->quickest_us, took);
    if (audit->in_portions && audit->unrested_us >= REST_AFTER_US) {
        loop_timer_once(dp->rest,
                        MIN(REST_FACTOR * audit->unrested_us / 1000, REST_MAX_MS));
        audit->unrested_us = 0;
    }
}

static void poll(struct datapath *dp, struct audit_watch *watch, uint8_t table_id,
                 enum pipeline_sort sort)
{
    struct of_flow_request entries;

    of_flow_request_init(&entries);
    entries.table_id = table_id;
    entries.cookie = pipeline_cookie(sort);
    entries.cookie_mask = UINT64_MAX; /* Open vSwitch has an index of whole cookies. */
    struct buf *out = request(dp, &watch->xid);
    of_put_aggregate_request(out, watch->xid, &entries);
}

/* Without its table 0 a switch loses its links after seconds, and without the last
 * entry of its FIB there is no slow path: somebody who empties a table is noticed
 * before. */
void audit_leaks(struct datapath *dp, int64_t now)
{
    struct audit *audit = &dp->audit;
    const uint64_t changes = recon_changes(dp->recon);
    const bool busy = audit->phase == AUDIT_DISCOVER ||
                      (audit->phase == AUDIT_READ && !audit->in_portions);

    if (busy || now < audit->leaks_at || audit->leaks.xid || audit->miss.xid) {
        return; /* Or not yet, or the last answer is not here. */
    }
    /* Not a full second: the next frames shall not find that it is still too early. */
    audit->leaks_at = now + LEAKS_MS - LEAKS_MS / 8;
    audit->changed = changes != audit->changes;
    audit->changes = changes;
    poll(dp, &audit->leaks, PIPELINE_ADMIT, PIPE_LEAK);
    poll(dp, &audit->miss, PIPELINE_FIB, PIPE_MISS);
    datapath_kick(dp);
}

/* The periodic audit.  While many entries are written it waits, for one interval at
 * most: to read them would cost the switch as much again, and most are not confirmed
 * yet. */
static bool is_due(const struct datapath *dp, int64_t now)
{
    const int64_t late = now - dp->audit.next_at;
    struct recon_counts fib;

    recon_counts(dp->recon, RECON_FIB, &fib);
    return late >= 0 &&
           (fib.pending < BULK || late >= dp->proxy->config.audit_interval_ms);
}

void audit_tick(struct datapath *dp, int64_t now)
{
    struct audit *audit = &dp->audit;

    if (!dp->session) {
        return;
    }
    switch (audit->phase) {
    case AUDIT_DISCOVER:
        if (now - audit->progress_at > DISCOVER_MS) {
            audit->desc_xid = audit->features_xid = audit->group_features_xid = 0;
            audit_advance(dp);
        }
        break;
    case AUDIT_READ:
        if (now - audit->progress_at > STALLED_MS) {
            audit_abort(dp, "no answer");
        }
        break;
    case AUDIT_IDLE:
        audit_leaks(dp, now - LEAKS_MS / 4); /* No port is up to be probed. */
        if (is_due(dp, now) || audit->vanished || recon_wants_audit(dp->recon)) {
            audit_start(dp, now);
        }
        break;
    case AUDIT_JUDGE:
        break;
    }
}

/* Replies. */

static void read_desc(struct datapath *dp, struct cursor body)
{
    struct of_desc desc;

    if (of_desc_pull(&body, &desc) == OF_OK) {
        if (!strcmp(desc.dp, "None")) {
            *desc.dp = '\0'; /* What Open vSwitch says when nobody described it. */
        }
        snprintf(dp->description, sizeof dp->description, "%.48s%s%.32s%s%.64s",
                 desc.hw, *desc.sw ? " " : "", desc.sw, *desc.dp ? ", " : "", desc.dp);
    }
}

static void read_leaks(struct datapath *dp, uint64_t packet_count)
{
    /* The sum falls when an entry leaves; that says nothing of new leaks. */
    if (packet_count > dp->leaks_read) {
        const uint64_t n = packet_count - dp->leaks_read;
        dp->counters.leaks += n;
        log_warn_limited(&dp->relay,
                         "datapath %s: %llu frames of the virtual plane on real links",
                         dp->name, (unsigned long long)n);
    }
    dp->leaks_read = packet_count;
}

static void read_poll(struct datapath *dp, struct audit_watch *watch,
                      struct cursor body)
{
    struct audit *audit = &dp->audit;
    struct of_aggregate sum;

    if (of_aggregate_pull(&body, &sum) != OF_OK) {
        return;
    }
    if (watch == &audit->leaks) {
        read_leaks(dp, sum.packet_count);
    }
    /* Fewer, and not by us. */
    if (sum.flow_count < watch->count && !audit->changed) {
        audit->vanished = true;
    }
    watch->count = sum.flow_count;
}

static enum of_err read_flows(struct datapath *dp, struct cursor body)
{
    struct of_flow_stats flow;
    enum of_err err = OF_OK;

    while (of_flow_stats_next(&body, &flow, &err)) {
        pipeline_seen_flow(&dp->pipeline, dp->recon, &flow);
    }
    return err;
}

static enum of_err read_groups(struct datapath *dp, struct cursor body)
{
    struct of_group_desc group;
    enum of_err err = OF_OK;

    while (of_group_desc_next(&body, &group, &err)) {
        pipeline_seen_group(dp->recon, &group);
    }
    return err;
}

static enum of_err read_meters(struct datapath *dp, struct cursor body)
{
    struct of_meter_config meter;
    enum of_err err = OF_OK;

    while (of_meter_config_next(&body, &meter, &err)) {
        pipeline_seen_meter(dp->recon, &meter);
    }
    return err;
}

static void read_features(struct datapath *dp, struct cursor body)
{
    struct of_meter_features features;

    if (of_meter_features_pull(&body, &features) == OF_OK &&
        (features.capabilities & OFPMF_PKTPS) &&
        (features.band_types & (1u << OFPMBT_DROP))) {
        dp->audit.max_meter = features.max_meter;
    }
}

static void read_group_features(struct datapath *dp, struct cursor body)
{
    struct of_group_features features;

    if (of_group_features_pull(&body, &features) == OF_OK) {
        recon_set_share_limit(
            dp->recon, features.capabilities & OFPGFC_CHAINING ? SHARE_LIMIT : 0);
        recon_set_alternates(dp->recon,
                             dp->pipeline.watch && features.types & 1u << OFPGT_FF);
    }
}

void audit_reply(struct datapath *dp, uint32_t xid, const struct of_multipart *mp)
{
    struct audit *audit = &dp->audit;
    uint32_t *slot = NULL;
    enum of_err err = OF_OK;

    if (!xid) {
        return; /* 0 stands for "none" here. */
    }
    struct audit_watch *watch = xid == audit->leaks.xid  ? &audit->leaks
                                : xid == audit->miss.xid ? &audit->miss
                                                         : NULL;
    if (xid == audit->desc_xid && mp->type == OFPMP_DESC) {
        slot = &audit->desc_xid;
        read_desc(dp, mp->body);
    } else if (xid == audit->features_xid && mp->type == OFPMP_METER_FEATURES) {
        slot = &audit->features_xid;
        read_features(dp, mp->body);
    } else if (xid == audit->group_features_xid && mp->type == OFPMP_GROUP_FEATURES) {
        slot = &audit->group_features_xid;
        read_group_features(dp, mp->body);
    } else if (watch && mp->type == OFPMP_AGGREGATE) {
        slot = &watch->xid;
        read_poll(dp, watch, mp->body);
    } else if (xid == audit->groups_xid && mp->type == OFPMP_GROUP_DESC) {
        slot = &audit->groups_xid;
        err = read_groups(dp, mp->body);
    } else if (xid == audit->meters_xid && mp->type == OFPMP_METER_CONFIG) {
        slot = &audit->meters_xid;
        err = read_meters(dp, mp->body);
    } else if (xid == audit->flows_xid && mp->type == OFPMP_FLOW) {
        slot = &audit->flows_xid;
        err = read_flows(dp, mp->body);
    } else {
        return; /* Late, or asked by nobody. */
    }
    if (!watch) {
        audit->progress_at = loop_now();
    }
    if (err != OF_OK) {
        audit_abort(dp, of_err_text(err));
        return;
    }
    if (!(mp->flags & OFPMPF_MORE)) {
        if (slot == &audit->flows_xid) {
            flows_read(dp);
        }
        *slot = 0;
        audit_advance(dp);
    }
}

bool audit_error(struct datapath *dp, uint32_t xid)
{
    struct audit *audit = &dp->audit;
    uint32_t *const slots[] = {&audit->desc_xid,           &audit->features_xid,
                               &audit->group_features_xid, &audit->leaks.xid,
                               &audit->miss.xid,           &audit->groups_xid,
                               &audit->meters_xid};

    if (xid && xid == audit->flows_xid) {
        audit_abort(dp, "the switch does not list its flow entries");
        return true;
    }
    for (size_t i = 0; i < ARRAY_SIZE(slots); i++) {
        if (xid && *slots[i] == xid) {
            /* It does not have what was asked for. */
            *slots[i] = 0;
            audit_advance(dp);
            return true;
        }
    }
    return false;
}
