/* Sessions: which module hears a peer is a matter of its role. */

#include "server.h"

static void peer_up(void *aux, struct ipc_peer *peer)
{
    struct server *s = aux;

    switch (ipc_peer_role(peer)) {
    case ROLE_CLIENT:
        vm_peer_up(s, peer);
        break;
    case ROLE_PROXY:
        proxy_peer_up(s, peer);
        break;
    case ROLE_VS:
        vs_peer_up(s, peer);
        break;
    case ROLE_CTL:
        break;
    }
    server_wake(s);
}

static void peer_down(void *aux, struct ipc_peer *peer, const char *reason)
{
    struct server *s = aux;

    switch (ipc_peer_role(peer)) {
    case ROLE_CLIENT:
        vm_peer_down(s, peer, reason);
        break;
    case ROLE_PROXY:
        proxy_peer_down(s, peer, reason);
        break;
    case ROLE_VS:
        vs_peer_down(s, peer, reason);
        break;
    case ROLE_CTL:
        break;
    }
}

static void peer_message(void *aux, struct ipc_peer *peer, const struct msg *m)
{
    struct server *s = aux;

    switch (ipc_peer_role(peer)) {
    case ROLE_CLIENT:
        vm_message(s, peer, m);
        break;
    case ROLE_PROXY:
        dp_message(s, peer, m);
        break;
    case ROLE_VS:
        vs_message(s, peer, m);
        break;
    case ROLE_CTL:
        ctl_message(s, peer, m);
        break;
    }
}

static void window_open(void *aux, struct ipc_peer *peer)
{
    server_wake(aux);
}

const struct ipc_server_ops peers_ops = {
    .peer_up = peer_up,
    .peer_down = peer_down,
    .message = peer_message,
    .window_open = window_open,
};
