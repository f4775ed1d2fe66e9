#ifndef NETNS_H
#define NETNS_H 1

/* Network namespaces and the clock of the benches. */

#include <stdint.h>

/* Moves this process into the network namespace of that file
 * ("/proc/PID/ns/net"); sockets opened before stay where they were. Ends the process
 * if that is impossible. */
void netns_enter(const char *path);

/* Microseconds of the wall clock: that of packet timestamps, the same in all
 * processes. */
int64_t bench_now_us(void);
void bench_sleep_us(int64_t us);

/* Prints "bench: ..." and ends the process with status 1. */
_Noreturn void bench_fail(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

#endif
