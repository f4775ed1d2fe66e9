"""What the tests of rfproxy and of rfvs share: where things are, waiting, and the program
of tests/tools that is rfserver to the daemon."""

import os
import re
import subprocess
import threading
import time
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("RF_BUILD", CHECKOUT / "build"))
SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"


def wait_for(what, condition, seconds=10):
    """Polls until condition() is true and returns its value."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            shown = what() if callable(what) else what
            raise AssertionError(f"not within {seconds} s: {shown}")
        time.sleep(0.01)


class Tool:
    """rfproxy_peer or rfvs_peer: its lines, and the messages in them."""

    def __init__(self, directory, program, *arguments):
        self.server = f"ipc://{directory}/server.ipc"
        self.relay = f"ipc://{directory}/relay.ipc"
        self.lines = []
        self.process = subprocess.Popen(
            [BUILD / "tests" / program, self.server, self.relay, *arguments],
            stdin=subprocess.PIPE, text=True, stdout=subprocess.PIPE)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def say(self, *lines):
        self.process.stdin.write("".join(line + "\n" for line in lines))
        self.process.stdin.flush()

    def say_and_wait(self, *lines, seconds=30):
        """Sends records, and waits until the daemon has handled them."""
        n = self.lines.count("sent")
        self.say(*lines)
        wait_for("the daemon to acknowledge", lambda: self.lines.count("sent") > n, seconds)

    def wait_line(self, pattern, seconds=10, since=0):
        def found():
            return next((line for line in self.lines[since:] if re.search(pattern, line)),
                        None)
        return wait_for(lambda: f"{pattern} in {self.lines[since:][-20:]}", found, seconds)

    def destroy(self):
        self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
