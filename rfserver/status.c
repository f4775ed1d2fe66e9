/* `rfctl show status`: the platform on one page. */

#include "ctl.h"

#include <unistd.h>

static void put_associations(struct server *s, bson_t *record)
{
    bson_t sub;

    BSON_APPEND_DOCUMENT_BEGIN(record, "associations", &sub);
    for (int state = ASSOC_IDLE_CLIENT; state < ASSOC_N_STATES; state++) {
        BSON_APPEND_INT64(&sub, assoc_state_name((enum assoc_state)state),
                          (int64_t)assoc_count(s->assoc, (enum assoc_state)state));
    }
    BSON_APPEND_INT64(&sub, "transitions", (int64_t)s->transitions);
    bson_append_document_end(record, &sub);
}

static void put_mapping(struct server *s, bson_t *record)
{
    bson_t sub;

    BSON_APPEND_DOCUMENT_BEGIN(record, "mapping", &sub);
    BSON_APPEND_UTF8(&sub, "file", s->config.mapping_path);
    BSON_APPEND_INT64(&sub, "rows", (int64_t)s->mapping.n_rows);
    BSON_APPEND_DATE_TIME(&sub, "loaded", s->mapping_loaded_wall);
    BSON_APPEND_UTF8(&sub, "fault", s->mapping_error[0] ? s->mapping_error : "none");
    bson_append_document_end(record, &sub);
}

static int64_t count_members(struct server *s)
{
    size_t n;

    free(topo_members(s->topo, &n));
    return (int64_t)n;
}

static void put_real_plane(struct server *s, bson_t *record)
{
    struct server_dp *dp, *tmp;
    int64_t connected = 0, in_sync = 0;
    uint64_t entries = 0, failed = 0, leaks = 0, punts = 0, forged = 0, out = 0;
    bson_t sub;

    HASH_ITER (hh, s->dps, dp, tmp) {
        connected += dp->connected;
        in_sync += dp->phase == PLANE_DONE && dp->has_status && dp->status.in_sync;
        entries += dp->status.installed;
        failed += dp->status.failed;
        leaks += dp->status.leaks;
        punts += dp->status.punts;
        forged += dp->status.lldp_forged;
        out += dp->status.relay_out;
    }
    BSON_APPEND_DOCUMENT_BEGIN(record, "real plane", &sub);
    BSON_APPEND_INT64(&sub, "controllers", HASH_COUNT(s->proxies));
    BSON_APPEND_INT64(&sub, "datapaths", HASH_COUNT(s->dps));
    BSON_APPEND_INT64(&sub, "connected", connected);
    BSON_APPEND_INT64(&sub, "in sync", in_sync);
    BSON_APPEND_INT64(&sub, "links", (int64_t)topo_count_links(s->topo));
    BSON_APPEND_INT64(&sub, "ports on segments", count_members(s));
    BSON_APPEND_INT64(&sub, "entries", (int64_t)entries);
    BSON_APPEND_INT64(&sub, "refused entries", (int64_t)failed);
    BSON_APPEND_INT64(&sub, "punted frames", (int64_t)punts);
    BSON_APPEND_INT64(&sub, "relayed out", (int64_t)out);
    BSON_APPEND_INT64(&sub, "forged lldp", (int64_t)forged);
    BSON_APPEND_INT64(&sub, "leaks", (int64_t)leaks);
    bson_append_document_end(record, &sub);
}

static void put_virtual_plane(struct server *s, bson_t *record)
{
    struct server_vs *vs, *tmp;
    int64_t connected = 0;
    uint64_t installed = 0, dropped = 0, forged = 0;
    bson_t sub;

    HASH_ITER (hh, s->vss, vs, tmp) {
        connected += vs->connected;
        if (vs->has_status) {
            installed += vs->status.vlinks;
            dropped += vs->status.dropped;
            forged += vs->status.mapping_forged;
        }
    }
    BSON_APPEND_DOCUMENT_BEGIN(record, "virtual plane", &sub);
    BSON_APPEND_INT64(&sub, "rfvs", HASH_COUNT(s->vss));
    BSON_APPEND_INT64(&sub, "connected", connected);
    BSON_APPEND_INT64(&sub, "virtual-link entries", (int64_t)vplane_count_vlinks(s));
    BSON_APPEND_INT64(&sub, "confirmed", (int64_t)installed);
    BSON_APPEND_INT64(&sub, "dropped frames", (int64_t)dropped);
    BSON_APPEND_INT64(&sub, "forged mapping frames", (int64_t)forged);
    bson_append_document_end(record, &sub);
}

static void put_clients(struct server *s, bson_t *record)
{
    struct server_vm *vm, *tmp;
    struct rib_counts counts;
    int64_t connected = 0, in_sync = 0;
    uint64_t routes = 0, neighbors = 0, unresolved = 0, alternates = 0;
    bson_t sub;

    HASH_ITER (hh, s->vms, vm, tmp) {
        connected += vm->peer != NULL;
        in_sync += vm->synced;
        rib_counts(vm->ribs->rib, &counts);
        routes += counts.routes;
        neighbors += counts.neighs;
        unresolved += counts.unresolved;
        alternates += counts.alternates;
    }
    BSON_APPEND_DOCUMENT_BEGIN(record, "clients", &sub);
    BSON_APPEND_INT64(&sub, "known", HASH_COUNT(s->vms));
    BSON_APPEND_INT64(&sub, "connected", connected);
    BSON_APPEND_INT64(&sub, "in sync", in_sync);
    BSON_APPEND_INT64(&sub, "routes", (int64_t)routes);
    BSON_APPEND_INT64(&sub, "neighbors", (int64_t)neighbors);
    BSON_APPEND_INT64(&sub, "unresolved gateways", (int64_t)unresolved);
    BSON_APPEND_INT64(&sub, "alternates for lost links", (int64_t)alternates);
    BSON_APPEND_UTF8(&sub, "looking for alternates",
                     backup_is_at_work(s) ? "yes" : "no");
    bson_append_document_end(record, &sub);
}

static void put_store(struct server *s, bson_t *record)
{
    struct store_status status;
    bson_t sub;

    store_get_status(s->store, &status);
    BSON_APPEND_DOCUMENT_BEGIN(record, "store", &sub);
    BSON_APPEND_UTF8(&sub, "uri", status.uri);
    BSON_APPEND_UTF8(&sub, "state", status.connected ? "connected" : "not connected");
    BSON_APPEND_INT64(&sub, "documents", (int64_t)status.documents);
    BSON_APPEND_INT64(&sub, "queued", (int64_t)status.queued);
    BSON_APPEND_INT64(&sub, "written", (int64_t)status.written);
    BSON_APPEND_UTF8(&sub, "error", status.error[0] ? status.error : "none");
    bson_append_document_end(record, &sub);
}

int show_status(struct ctl_request *r)
{
    struct server *s = r->server;
    bson_t record, sub;

    BSON_APPEND_DOCUMENT_BEGIN(r->doc, "record", &record);
    BSON_APPEND_DOCUMENT_BEGIN(&record, "rfserver", &sub);
    BSON_APPEND_INT64(&sub, "pid", getpid());
    BSON_APPEND_DATE_TIME(&sub, "started", journal_wall(s->started));
    BSON_APPEND_INT64(&sub, "hold time ms", s->config.hold_ms);
    bson_append_document_end(&record, &sub);
    BSON_APPEND_UTF8(&record, "plane", ports_plane_name(s->config.plane));
    put_mapping(s, &record);
    put_associations(s, &record);
    put_clients(s, &record);
    put_real_plane(s, &record);
    put_virtual_plane(s, &record);
    put_store(s, &record);
    bson_append_document_end(r->doc, &record);
    return 0;
}
