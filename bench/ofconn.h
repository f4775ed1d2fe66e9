#ifndef OFCONN_H
#define OFCONN_H 1

/* A connection to the management socket of a bridge ("unix:/run/.../br.mgmt"), as its
 * controller, made of nothing but lib/of and a socket: the raw reference, and a second
 * eye on what the switch holds. */

#include <poll.h>

#include "of/multipart.h"
#include "of/put.h"
#include "of/session.h"

struct ofconn;

/* Connects and shakes hands; ends the process if that fails. */
struct ofconn *ofconn_open(const char *endpoint);
void ofconn_close(struct ofconn *);

struct of_session *ofconn_session(struct ofconn *);

/* Sends what the session has to say and hands events to `done` until it returns true.
 * Ends the process when the connection goes down, or after timeout_ms. */
typedef bool ofconn_fn(void *aux, const struct of_event *);
void ofconn_run(struct ofconn *, ofconn_fn *done, void *aux, int timeout_ms);

/* For who waits for several things: what to wait for, and what is to be done then,
 * which includes writing what the session has to say.  Events are of_session_next()'s.
 */
struct pollfd ofconn_pollfd(struct ofconn *);
void ofconn_ready(struct ofconn *, const struct pollfd *);

/* A barrier, and its reply. */
void ofconn_barrier(struct ofconn *);

/* Entries in a table, by its statistics. */
uint32_t ofconn_table_count(struct ofconn *, uint8_t table_id);

/* Calls fn with each part of the reply to a dump of a table (OFPTT_ALL: of all). */
typedef void ofconn_dump_fn(void *aux, struct cursor flows);
void ofconn_dump(struct ofconn *, uint8_t table_id, ofconn_dump_fn *, void *aux);

#endif
