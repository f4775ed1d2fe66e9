"""An SSH server in a router, run by hand: host key, users' keys and configuration of its
own in the router's root, keys only.  Asked by ssh and scp in hosts."""

import subprocess
from pathlib import Path

from rflab.system import wait_for

SERVER = "/usr/sbin/sshd"
START = f"install -d -m 755 /run/sshd && exec {SERVER} -D -e -f /root/sshd_config"
STOP = "kill $(cat /run/sshd.pid)"
CONFIG = """\
HostKey /root/host_key
AuthorizedKeysFile /root/authorized_keys
AuthenticationMethods publickey
UsePAM no
UseDNS no
LogLevel VERBOSE
Subsystem sftp internal-sftp
"""
OPTIONS = ("-F", "none", "-o", "BatchMode=yes", "-o", "ConnectTimeout=5", "-o",
           "StrictHostKeyChecking=yes", "-o", "GlobalKnownHostsFile=none")


class Sshd:
    """Answers at `addresses` of a router while the block runs."""

    def __init__(self, lab, node, addresses, directory):
        self.lab = lab
        self.node = node
        self.directory = Path(directory)
        self.log = self.directory / "sshd.log"
        root = lab.containers.rootfs(node)
        for key in (root / "root/host_key", self.directory / "key"):
            lab.instance.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
        host_key = (root / "root/host_key.pub").read_text(encoding="ascii")
        (self.directory / "known_hosts").write_text(
            "".join(f"{address} {host_key}" for address in addresses), encoding="ascii")
        (root / "root/authorized_keys").write_bytes(
            (self.directory / "key.pub").read_bytes())
        (root / "root/sshd_config").write_text(CONFIG + "".join(
            f"ListenAddress {address}\n" for address in addresses), encoding="ascii")
        # No password; but without any entry sshd takes the account for locked.
        (root / "etc/shadow").write_text("root:*:::::::\n", encoding="ascii")
        (root / "etc/shadow").chmod(0o600)
        self.listening = len(addresses)

    def __enter__(self):
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [str(word) for word in self.lab.containers.command(
                    self.node, "/bin/sh", "-c", START)],
                env=self.lab.instance.environment(), stdin=subprocess.DEVNULL, stdout=log,
                stderr=log)
        wait_for("sshd to listen", lambda: (
            self.log.read_text().count("listening on") == self.listening,
            self.log.read_text()), 10)
        return self

    def __exit__(self, *_):
        self.lab.containers.run(self.node, "/bin/sh", "-c", STOP, check=False)
        self.process.wait(timeout=5)

    def run(self, host, program, *argv, stdin=b""):
        """ssh or scp in a host; what it printed, as bytes."""
        done = subprocess.run(
            self.lab.instance.inside(
                self.lab.network.host_netns(host), program, *OPTIONS, "-i",
                self.directory / "key", "-o",
                f"UserKnownHostsFile={self.directory}/known_hosts", *argv),
            env=self.lab.instance.environment(), input=stdin, capture_output=True,
            timeout=20, check=False)
        assert done.returncode == 0, f"{program} {argv}: {done.stderr.decode()}" + (
            self.log.read_text())
        return done.stdout
