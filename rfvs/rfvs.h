#ifndef RFVS_H
#define RFVS_H 1

/* rfvs: the controller of RFVS, the virtual switch in which the interfaces of the
 * containers meet.
 *
 *   main.c        options
 *   rfvs.c        life of the daemon
 *   connection.c  OpenFlow connections: accept, identify, refuse, hand over
 *   vswitch.c     an RFVS: ports, coming and going, what rfserver is told of it
 *   sync.c        flow entries and carriers out; barriers, errors and audits back in
 *   mapping.c     mapping frames
 *   relay.c       the slow path: frames between RFVS and rfproxy
 *   server.c      rfserver
 *   entries.c     flow entries, desired and installed (pure, tested alone)
 *   wiring.c      what rfserver wants (pure, tested alone)
 *
 * RFVS forwards nothing by itself.  Frames of a port go along its virtual link to the
 * one port at the other end, or (edge ports) through rfvs and rfproxy to the real port
 * that the interface stands for, or nowhere.  Mapping frames go to rfvs and no further.
 *
 * An RFVS outlives its connection: what is wanted of it and what was learnt about its
 * ports stays, so that a switch that reconnects, or a restarted rfserver, costs an
 * audit and no flow-mod. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uthash.h>

#include "base/log.h"
#include "net/loop.h"
#include "ofconn/ofconn.h"
#include "net/zcurve.h"
#include "net/zsock.h"
#include "wire/frame.h"
#include "wire/msg.h"

#define KEY_MIN_LEN 16
#define KEY_MAX_LEN 256

struct rfvs_config {
    const char *server;   /* Endpoint of rfserver. */
    const char *listen;   /* Where RFVS connects; comma-separated. */
    const char *relay;    /* Where rfproxy connects; NULL: no slow path. */
    struct tls_files tls; /* Of those who connect by TLS, as in ofconn_config. */
    const char *tls_allow;
    uint8_t key[KEY_MAX_LEN]; /* Of the HMAC in mapping frames. */
    size_t key_len;
    const struct zcurve
        *curve;       /* Towards rfserver; NULL: plain.  Only read at start. */
    int64_t hold_ms;  /* How long the state of a lost RFVS is kept. */
    int64_t audit_ms; /* Between two readings of the flow entries. */
};

struct mapping;
struct relay;
struct server;
struct vswitch;

struct rfvs {
    struct rfvs_config config;
    struct loop *loop;
    struct zctx *zctx;
    struct ofconn_server *connections;
    struct vswitch *vswitches; /* By id. */
    struct loop_timer *housekeeping;
    struct mapping *mapping;
    struct relay *relay;
    struct server *server;
};

/* rfvs.c.  NULL after logging why. */
struct rfvs *rfvs_create(struct loop *, struct zctx *, const struct rfvs_config *);
void rfvs_destroy(struct rfvs *);

/* connection.c */
bool connection_listen(struct rfvs *);
void connection_reload(struct rfvs *); /* Reads the files of TLS again. */
void connection_close_all(struct rfvs *);

/* server.c */
struct server *server_create(struct rfvs *);
void server_destroy(struct server *);
bool server_is_up(const struct server *);
/* Nothing happens without a session: the report at the start of each tells all. */
void server_send(struct server *, const struct msg *);

#endif
