"""A bench that is told to end removes its network first."""

import signal

from rflab import lab as labs

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def _end(number, _):
    # An exception, so that each network is left on the way out; one is enough.
    for other in SIGNALS:
        signal.signal(other, signal.SIG_IGN)
    raise SystemExit(128 + number)


def by_signals():
    """From now on SIGTERM, SIGINT and SIGHUP end the program by SystemExit."""
    for number in SIGNALS:
        signal.signal(number, _end)


def down(run_dir):
    """labs.down(), of which a signal does not leave half undone: it takes effect then."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        return labs.down(run_dir)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
