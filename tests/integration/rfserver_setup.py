"""What the tests of rfserver share: a real rfserver, rfctl, and the smallest network
that has everything -- two VMs, two switches with one link, RFVS -- made of scripted
peers.

    vm A port 1 - switch 5 port 1 (edge)     RFVS port 1
    vm A port 2 - switch 5 port 2 ----+      RFVS port 2
                                      | link
    vm B port 2 - switch 6 port 2 ----+      RFVS port 4
    vm B port 1 - switch 6 port 1 (edge)     RFVS port 3
"""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
from pathlib import Path

import rfpeer

CHECKOUT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("RF_BUILD", CHECKOUT / "build"))
RFSERVER, RFCTL = BUILD / "bin" / "rfserver", BUILD / "bin" / "rfctl"

A, B = 0x02a0a0a0a0a0, 0x02b0b0b0b0b0
VS_ID = 0x7266767300000001
HEADER = "vm_id,vm_port,ct_id,dp_id,dp_port\n"
MAPPING = HEADER + ("2a0a0a0a0a0,1,0,5,1\n"
                    "2a0a0a0a0a0,2,0,5,2\n"
                    "2b0b0b0b0b0,1,0,6,1\n"
                    "2b0b0b0b0b0,2,0,6,2\n")
PORTS_AT = {A: {1: 1, 2: 2}, B: {1: 3, 2: 4}}

IDLE_CLIENT = "idle client port"
IDLE_DATAPATH = "idle datapath port"
ASSOCIATED = "client-datapath association"
ACTIVE = "active client-datapath association"


def have_programs():
    return RFSERVER.exists() and RFCTL.exists()


class Server:
    """An rfserver process and what can be asked about it."""

    def __init__(self, folder, mapping=MAPPING, **options):
        self.folder = Path(folder)
        # Paths of sockets may have no more than 107 characters.
        self.run_dir = tempfile.mkdtemp(prefix="rfserver-")
        self.endpoint = f"ipc://{self.run_dir}/server"
        self.events = f"ipc://{self.run_dir}/events"
        self.mapping = self.folder / "rfserver.csv"
        self.mapping.write_text(mapping)
        self.database = self.folder / "store.db"
        self.log_path = self.folder / "rfserver.log"
        (self.folder / "routeflow.conf").write_text("")
        self.options = {"listen": self.endpoint, "events": self.events,
                        "mapping": self.mapping, "store": f"sqlite:{self.database}",
                        "config": self.folder / "routeflow.conf",
                        "hold-time": "60s", "datapath-hold": "2s",
                        "classify-time": "300ms", "log-level": "debug"}
        self.options.update({key.replace("_", "-"): value
                             for key, value in options.items()})
        self.process = None

    def start(self, wait=True):
        with open(self.log_path, "ab") as log:
            argv = [str(RFSERVER)] + [f"--{k}" if v is True else f"--{k}={v}"
                                      for k, v in self.options.items()]
            self.process = subprocess.Popen(argv, stderr=log, stdin=subprocess.DEVNULL)
        if wait:
            deadline = time.monotonic() + 10
            while self.rfctl("show", "status", "--timeout=1")[0]:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.process.kill()
                    raise AssertionError(f"rfserver did not start:\n{self.log()}")
        return self

    def kill(self, with_signal=signal.SIGKILL):
        self.process.send_signal(with_signal)
        return self.process.wait(10)

    def close(self):
        """Ends it in order, and sees that it does."""
        if self.process and self.process.poll() is None:
            status = self.kill(signal.SIGTERM)
            assert status == 0, f"rfserver ended with {status}:\n{self.log()[-3000:]}"
        shutil.rmtree(self.run_dir, ignore_errors=True)

    def is_running(self):
        return self.process.poll() is None

    def log(self):
        return self.log_path.read_text(errors="replace")

    def memory(self):
        """Resident set, octets; 0 under a sanitizer, which keeps what was freed."""
        if "libasan" in Path(f"/proc/{self.process.pid}/maps").read_text():
            return 0
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(text.split("VmRSS:")[1].split()[0]) * 1024

    def rfctl(self, *args):
        """(exit status, standard output, standard error)"""
        done = subprocess.run(
            [str(RFCTL), f"--server={self.endpoint}", f"--events={self.events}",
             *map(str, args)], capture_output=True, text=True, timeout=30, check=False)
        return done.returncode, done.stdout, done.stderr

    def json(self, *args):
        status, out, err = self.rfctl("--json", *args)
        assert status in (0, 2), f"rfctl {args}: {err}"
        return json.loads(out)

    def why(self, *args):
        status, out, err = self.rfctl("--json", "why", *args)
        assert status in (0, 2), f"rfctl why {args}: {err}"
        answer = json.loads(out)
        assert answer["ok"] == (status == 0)
        return answer

    def rows(self):
        """{keys of a row: state}, by rfctl."""
        return _rows(self.json("show", "associations"))

    def stored(self, collection):
        database = None
        try:
            database = sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=5)
            return [json.loads(text) for text, in
                    database.execute(f'select json from "{collection}"')]
        except sqlite3.OperationalError:
            return []   # Not there, or not yet.
        finally:
            if database:
                database.close()

    def stored_rows(self):
        return _rows(self.stored("rftable"))


def _rows(documents):
    out = {}
    for d in documents:
        vm = (int(d["vm_id"], 16), d["vm_port"]) if d["vm_id"] else None
        dp = (int(d["dp_id"], 16), d["dp_port"]) if d["dp_id"] else None
        vs = (int(d["vs_id"], 16), d["vs_port"]) if d["vs_id"] else None
        assert (d["ct_id"] is None) == (dp is None)
        assert (vm, dp, vs) not in out, "two rows with the same keys"
        out[vm, dp, vs] = d["state"]
    return out


class Network:
    """A server and peers.  converge() brings all of them up."""

    def __init__(self, folder, **options):
        self.server = Server(folder, **options).start()
        self.bus = rfpeer.Bus()
        self.proxy = self.vs = self.a = self.b = None

    def close(self):
        self.bus.close()
        self.server.close()

    def client(self, vm_id, **options):
        return rfpeer.Client(self.bus, self.server.endpoint, vm_id, **options)

    def new_proxy(self, ct_id=0):
        return rfpeer.Proxy(self.bus, self.server.endpoint, ct_id)

    def new_vs(self):
        return rfpeer.Vs(self.bus, self.server.endpoint, VS_ID)

    def start_peers(self):
        self.vs = self.new_vs().rfvs(1, 2, 3, 4)
        self.proxy = self.new_proxy().switch(5, 1, 2).switch(6, 1, 2)
        self.proxy.link(5, 2, 6, 2)
        self.a = self.client(A, name="rfclient@vmA").port(1, 2)
        self.b = self.client(B, name="rfclient@vmB").port(1, 2)
        self.a.answer = self.vs, PORTS_AT[A]
        self.b.answer = self.vs, PORTS_AT[B]
        self.a.addr(1, "172.31.1.1/24").addr(2, "10.0.0.1/24")
        self.b.addr(1, "172.31.2.1/24").addr(2, "10.0.0.2/24")
        self.a.route("172.31.2.0/24", [(2, "10.0.0.2")])
        self.b.route("172.31.1.0/24", [(2, "10.0.0.1")])
        self.a.neigh(2, "10.0.0.2", self.b.hwaddr(2))
        self.b.neigh(2, "10.0.0.1", self.a.hwaddr(2))
        return self

    def converge(self):
        if not self.vs:
            self.start_peers()
        self.until_active()
        self.bus.until("both virtual links", lambda: (
            self.vs.vlinks() == {(2, 4), (4, 2)}, self.vs.wiring))
        self.bus.until("relays of edge ports at rfvs", lambda: (
            self.vs.relays() == {(5, 1): 1, (6, 1): 3}, self.vs.wiring))
        self.bus.until("edge and internal ports", lambda: (
            all([c for _, (c, _) in sorted(self.proxy.plane(dp).of("port").items())] ==
                ["edge", "internal"] for dp in (5, 6)), self.proxy.planes))
        self.bus.until("END of both datapaths", lambda: (
            all(self.proxy.plane(dp).ends for dp in (5, 6)), self.proxy.planes))
        self.bus.until("END of rfvs and relays", lambda: (
            self.vs.wiring.ends and self.proxy.relays.ends, self.vs.wiring))
        return self

    def until_rows(self, rows, seconds=10):
        """The table is exactly so, by rfctl and in the store."""
        def good():
            seen = self.server.rows()
            return seen == rows, seen
        self.bus.until(f"rows {rows}", good, seconds)
        self.bus.until(f"stored rows {rows}", lambda: (
            self.server.stored_rows() == rows, self.server.stored_rows()), seconds)

    def until_active(self):
        self.until_rows(active_rows())

    def until_log(self, text, seconds=10):
        self.bus.until(f"log: {text}", lambda: (text in self.server.log(),
                                                self.server.log()[-2000:]), seconds)


def active_rows():
    return {((vm, port), (dp, port), (VS_ID, PORTS_AT[vm][port])): ACTIVE
            for vm, dp in ((A, 5), (B, 6)) for port in (1, 2)}
