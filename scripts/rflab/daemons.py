"""rfserver, rfproxy, rfvs and rfctl: where they listen, with which options they run.

rfserver runs in the host's namespace, so that it can reach a MongoDB server anywhere;
the two OpenFlow drivers run inside the lab, next to the switches.  They meet over Unix
sockets in the run directory, which do not care about network namespaces.
"""

import json
import os
import secrets
import shutil
import signal
from pathlib import Path

from .system import CHECKOUT, LabError, last_line, wait_for

SERVER_PORT = 25555
PROXY_CONTROLLER = "tcp:127.0.0.1:6653"
RFVS_CONTROLLER = "tcp:127.0.0.1:6654"
PROGRAMS = ("rfserver", "rfproxy", "rfvs", "rfclient", "rfctl")


class Daemons:
    def __init__(self, instance, network):
        self.instance = instance
        self.network = network
        self.dir = instance.dir
        self.server = f"ipc://{self.dir}/rfserver.ipc"
        self.events = f"ipc://{self.dir}/events.ipc"
        self.relay = f"ipc://{self.dir}/relay.ipc"
        self.keys = self.dir / "keys"
        self.key = self.keys / "frames.key"
        self.mapping = self.dir / "config" / "rfserver.csv"
        self.isl = self.dir / "config" / "rfisl.csv"
        self.config = self.dir / "config" / "routeflow.conf"
        self.plan_script = self.dir / "config" / "plan-script"

    def program(self, name):
        return self.dir / "bin" / name

    def prepare(self):
        """Keys and configuration files; the programs become visible as RUN/bin."""
        build = Path(os.environ.get("RF_BUILD", CHECKOUT / "build")) / "bin"
        missing = [name for name in PROGRAMS if not (build / name).exists()]
        if missing:
            raise LabError(f"{build} lacks {', '.join(missing)} (scripts/build makes them)")
        (self.dir / "bin").symlink_to(build.resolve())
        self.key.touch(mode=0o600)
        self.key.write_text(secrets.token_hex(32) + "\n", encoding="ascii")
        self._make_curve_keys()
        topology = self.network.topology
        if topology.mapping:
            shutil.copy(topology.mapping, self.mapping)
        else:
            self.mapping.write_text(topology.mapping_text(), encoding="utf-8")
        self.isl.write_text(topology.inside_text(), encoding="utf-8")
        shutil.copy(CHECKOUT / "lxc" / "attach-ports", self.dir / "config")
        self.plan_script.write_text(
            f"#!/bin/sh\nexec {CHECKOUT}/scripts/plan-container --lab {self.dir} \"$@\"\n",
            encoding="utf-8")
        self.plan_script.chmod(0o755)

    def _make_curve_keys(self):
        """A key pair each for rfserver and every container; whose key is let in."""
        self._generate("rfserver")
        (self.keys / "allow").write_text(
            "".join(f"{self._generate(node.vm)} {node.vm_id}\n"
                    for node in self.network.topology.vm_nodes()), encoding="ascii")

    def _generate(self, name):
        return self.instance.run(self.program("rfctl"), "keygen",
                                 self.keys / name).stdout.strip()

    def admit(self, node):
        """A container more: its keys, and rfserver is to let it in."""
        self.forbid(node)
        with open(self.keys / "allow", "a", encoding="ascii") as allow:
            allow.write(f"{self._generate(node.vm)} {node.vm_id}\n")
        os.kill(self.pid("rfserver"), signal.SIGHUP)

    def forbid(self, node):
        allow = self.keys / "allow"
        lines = allow.read_text(encoding="ascii").splitlines(True)
        allow.write_text("".join(line for line in lines
                                 if line.split()[1:] != [node.vm_id]), encoding="ascii")
        for suffix in ("key", "secret"):
            (self.keys / f"{node.vm}.{suffix}").unlink(missing_ok=True)
        os.kill(self.pid("rfserver"), signal.SIGHUP)

    def install_keys(self, node, directory):
        """What the rfclient of a container needs, into its /etc/routeflow."""
        for source, target in (("frames.key", "frames.key"),
                               (f"{node.vm}.key", "rfclient.key"),
                               (f"{node.vm}.secret", "rfclient.secret"),
                               ("rfserver.key", "rfserver.key")):
            (directory / target).touch(mode=0o600)
            (directory / target).write_bytes((self.keys / source).read_bytes())

    def options(self, store):
        """{program: {option: value}} of the daemons outside the containers."""
        return {
            "rfserver": {"listen": f"tcp://{self.network.server_address}:{SERVER_PORT},"
                                   f"{self.server}",
                         "events": self.events,
                         "curve": self.keys / "rfserver",
                         "curve-allow": self.keys / "allow",
                         "mapping": self.mapping, "isl": self.isl, "store": store,
                         "mapping-auto": "on"},
            "rfctl": {"plan-script": self.plan_script, "plan-dir": self.dir / "plan"},
            "rfproxy": {"server": self.server, "ct-id": 0,
                        "listen": "ptcp:6653:127.0.0.1", "relay": self.relay,
                        "key-file": self.key},
            "rfvs": {"server": self.server, "listen": "ptcp:6654:127.0.0.1",
                     "relay": self.relay, "key-file": self.key}}

    def rfclient_options(self, node):
        """The same of the rfclient in a container, whose files are elsewhere."""
        return {"rfclient": {
            "server": f"tcp://{self.network.server_address}:{SERVER_PORT}",
            "curve": "/etc/routeflow/rfclient", "curve-server": "/etc/routeflow/rfserver",
            "vm-id": node.vm_id, "key-file": "/etc/routeflow/frames.key"}}

    def configure(self, store):
        self.config.write_text(config_text(self.options(store)), encoding="utf-8")

    def start(self):
        for name in ("rfserver", "rfproxy", "rfvs"):
            self.start_one(name)
        wait_for("rfserver to answer", self._answers, 10)

    def start_one(self, name):
        netns = None if name == "rfserver" else self.instance.netns
        process = self.instance.spawn(name, self.program(name), "--config", self.config,
                                      netns=netns)
        self.instance.cpu.add(process.pid)
        return process

    def kill(self, name):
        """As a crash would end it: no farewell."""
        self.instance.kill_process(self.pid(name), signal.SIGKILL)

    def _answers(self):
        ended = self.ended()
        if ended:
            raise LabError("\n".join(ended))
        done = self.rfctl("show", "status", check=False)
        return done.returncode == 0, (done.stderr or done.stdout).strip()

    def ended(self):
        """A line for each daemon that runs no more, with the last that it has logged."""
        lines = []
        for name in ("rfserver", "rfproxy", "rfvs"):
            if not self.running(name):
                log = self.dir / "log" / f"{name}.log"
                lines.append(f"{name} has ended, see {log}; its last line:\n"
                             f"  {last_line(log)}")
        for node in self.network.topology.nodes:
            # Written by lxc/init, which starts again what ends.
            logs = self.dir / "lxc" / node.vm / "rootfs/var/log"
            if "rfclient ended" in last_line(logs / "init.log"):
                lines.append(f"{node.vm}: {last_line(logs / 'init.log')}; the last line of "
                             f"{logs}/rfclient.log:\n  {last_line(logs / 'rfclient.log')}")
        return lines

    def pid(self, name):
        return int((self.dir / "pid" / name).read_text(encoding="utf-8"))

    def running(self, name):
        return self.instance.runs(self.pid(name))

    def rfctl(self, *argv, check=True):
        return self.instance.run(self.program("rfctl"), "--server", self.server,
                                 "--config", self.config, *argv, check=check, timeout=60)

    def show(self, what):
        """`rfctl show WHAT --json` as an object."""
        return json.loads(self.rfctl("show", what, "--json").stdout)


def config_text(programs):
    """{program: {option: value}} as the daemons' configuration file."""
    lines = []
    for program, options in programs.items():
        lines += [f"[{program}]", *(f"{key} = {value}" for key, value in options.items()),
                  ""]
    return "\n".join(lines)
