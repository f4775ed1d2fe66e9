#ifndef PROXY_H
#define PROXY_H 1

/* rfproxy: the controller of the real switches.
 *
 *   main.c        options
 *   connection.c  OpenFlow connections: accept, identify, refuse, hand over
 *   datapath.c    a switch: ports, coming and going, what rfserver is told of it
 *   plane.c       its desired state, from rfserver's records into core/recon.h
 *   sync.c        operations of recon out, barriers and errors back in
 *   audit.c       what is installed, read back from the switch
 *   probe.c       LLDP out and in, the topology
 *   slowpath.c    packet-in -> rfvs, rfvs -> packet-out
 *   server.c      rfserver
 *   pipeline*.c   how the desired state looks in a switch (pure, a library)
 *
 * A datapath outlives its connection: what is desired and what was installed stay in
 * recon, so that a switch that reconnects, or a restarted rfserver or rfproxy, costs an
 * audit and no flow-mod. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uthash.h>

#include "base/log.h"
#include "core/topology.h"
#include "net/loop.h"
#include "ofconn/ofconn.h"
#include "net/zcurve.h"
#include "net/zsock.h"
#include "wire/frame.h"
#include "wire/msg.h"
#include "wire/record.h"

#define KEY_MIN_LEN 16
#define KEY_MAX_LEN 256

struct proxy_config {
    const char *server;   /* Endpoint of rfserver. */
    const char *relay;    /* Endpoint of rfvs; NULL: no slow path. */
    const char *listen;   /* Comma-separated. */
    struct tls_files tls; /* Of those who connect by TLS, as in ofconn_config. */
    const char *tls_allow;
    uint32_t ct_id;
    uint8_t key[KEY_MAX_LEN]; /* Of the HMAC in LLDP frames. */
    size_t key_len;
    const struct zcurve *curve; /* Towards rfserver; NULL: plain. */
    int64_t lldp_interval_ms;
    int64_t lldp_ttl_ms;
    bool fast_links; /* Probe confirmed links every FAST_PROBE_MS. */
    int64_t audit_interval_ms;
    int64_t hold_ms;  /* How long the state of a lost switch is kept. */
    int64_t grace_ms; /* A switch that is back within this was never away. */
    uint32_t punt_rate;
};

#define FAST_PROBE_MS 50
#define FAST_TTL_MS 150

struct datapath;
struct slowpath;
struct server;
struct guard;

struct proxy {
    struct proxy_config config;
    struct loop *loop;
    struct zctx *zctx;
    struct ofconn_server *connections;
    struct datapath *datapaths; /* By dp_id. */
    struct topology *topology;
    struct loop_timer *topo_timer;
    int64_t topo_due; /* When it should go off. */
    struct loop_timer *housekeeping;
    struct guard *guards;  /* Replay guards of LLDP senders. */
    uint64_t lldp_counter; /* Of the last frame sent. */
    struct slowpath *slowpath;
    struct server *server;
};

/* NULL after logging why. */
struct proxy *proxy_create(struct loop *, struct zctx *, const struct proxy_config *);
void proxy_destroy(struct proxy *);

/* connection.c */
bool proxy_listen(struct proxy *);
void proxy_reload(struct proxy *);   /* Reads the files of TLS again. */
void proxy_unlisten(struct proxy *); /* And closes all connections. */

#endif
