#!/bin/sh
# Fails when a library that must be pure refers to the outside world: `now` and events
# come in, effects go out.
set -eu
lib=$1
banned='socket|connect|accept|accept4|bind|listen|send|sendto|sendmsg|recv|recvfrom|recvmsg'
banned="$banned|open|open64|openat|fopen|fopen64|read|write|close|printf|puts|putchar|perror"
banned="$banned|time|clock_gettime|gettimeofday|nanosleep|usleep|sleep|timerfd_create"
banned="$banned|pthread_create|thrd_create|fork|execve|system|rand|random|srand|getrandom|arc4random"
banned="$banned|exit|_exit|quick_exit|getenv|zmq_[a-z_]*|ev_[a-z_]*"
found=$(nm -u "$lib" | awk '$1 == "U" {sub(/@.*/, "", $2); print $2}' |
        grep -xE "$banned" | sort -u || true)
if [ -n "$found" ]; then
    echo "$lib is a pure library but calls:" $found >&2
    rm -f "$lib"
    exit 1
fi
