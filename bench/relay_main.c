/* The reference of the slow path: the same way with nothing on it.
 *
 *     bench-relay BRIDGE BRIDGE
 *
 * Two processes, as rfproxy and rfvs are two, each with a bridge ("unix:PATH" of its
 * management socket): what comes into a bridge goes to the other process, and out of
 * port 1 of the other bridge.  Prints a line when all is set up, and ends with its
 * standard input. */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netns.h"
#include "ofconn.h"

enum { FRAME_MAX = 2048, SERVED_PORT = 1 };

struct relay {
    struct ofconn *bridge;
    int other; /* The other process: a datagram for each frame. */
};

static void punt_all(struct ofconn *c)
{
    struct of_flow_mod fm;

    of_flow_mod_init(&fm, OFPFC_ADD, 0, 1);
    of_actions_controller(of_instructions_apply(&fm.inst), OFPCML_NO_BUFFER);
    of_put_flow_mod(of_session_output(ofconn_session(c)),
                    of_session_xid(ofconn_session(c)), &fm);
    ofconn_barrier(c);
}

static void hand_on(const struct relay *r)
{
    struct of_event ev;

    while (of_session_next(ofconn_session(r->bridge), &ev)) {
        if (ev.type == OF_EV_DOWN) {
            bench_fail("switch: %s", ev.text);
        }
        if (ev.type == OF_EV_MESSAGE && ev.msg->h.type == OFPT_PACKET_IN) {
            const struct cursor data = ev.msg->packet_in.data;
            if (send(r->other, data.p, data.n, MSG_NOSIGNAL) < 0) {
                bench_fail("the other process: %s", strerror(errno));
            }
        }
    }
}

/* False: the other process has ended. */
static bool send_out(const struct relay *r)
{
    struct of_session *session = ofconn_session(r->bridge);
    struct of_actions actions;
    uint8_t frame[FRAME_MAX];
    ssize_t n;

    while ((n = recv(r->other, frame, sizeof frame, MSG_DONTWAIT)) > 0) {
        of_actions_init(&actions);
        of_actions_output(&actions, SERVED_PORT);
        of_put_packet_out(of_session_output(session), of_session_xid(session),
                          OFPP_CONTROLLER, &actions, frame, (size_t)n);
    }
    if (n < 0 && errno != EAGAIN) {
        bench_fail("the other process: %s", strerror(errno));
    }
    return n != 0;
}

/* Until the other process ends, or `end` becomes readable; -1: there is none. */
static void serve(const struct relay *r, int end)
{
    struct pollfd fds[] = {{0}, {r->other, POLLIN, 0}, {end, POLLIN, 0}};

    while (!fds[2].revents && (!fds[1].revents || send_out(r))) {
        ofconn_ready(r->bridge, &fds[0]);
        hand_on(r);
        fds[0] = ofconn_pollfd(r->bridge);
        poll(fds, ARRAY_SIZE(fds), 500);
    }
}

int main(int argc, char **argv)
{
    int pair[2], ready[2];
    char byte = 0;

    if (argc != 3) {
        bench_fail("see the top of bench/relay_main.c for what to say");
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) || pipe(ready)) {
        bench_fail("sockets: %s", strerror(errno));
    }
    const bool child = !fork();
    if (child) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    }
    struct relay r = {ofconn_open(argv[child ? 2 : 1]), pair[child]};
    close(pair[!child]);
    punt_all(r.bridge);
    if (child) {
        if (write(ready[1], &byte, 1) != 1) {
            bench_fail("pipe: %s", strerror(errno));
        }
        serve(&r, -1);
    } else if (read(ready[0], &byte, 1) == 1) {
        puts("ready");
        fflush(stdout);
        serve(&r, STDIN_FILENO);
    }
    ofconn_close(r.bridge);
    return 0;
}
