#ifndef ZCTX_H
#define ZCTX_H 1

#include <stdint.h>

/* The ZeroMQ context, of zsock.c. */
struct zctx {
    void *zmq;
    uint64_t n_monitors; /* So that no two inproc names are equal. */
};

#endif
