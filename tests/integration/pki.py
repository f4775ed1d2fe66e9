"""Certificates as an operator makes them: ovs-pki of Open vSwitch, with the commands of
README.md, and some that nobody should make."""

import ssl
import subprocess
import warnings


class Pki:
    """A folder with the two CAs of ovs-pki: for controllers and for switches."""

    def __init__(self, directory):
        self.dir = directory
        self._ovs_pki("init")
        self.controller = self.sign("rfproxy", "controller")

    def _run(self, *argv, cwd=None):
        done = subprocess.run([str(a) for a in argv], cwd=cwd or self.dir, text=True,
                              capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, f"{argv}: {done.stderr}"
        return done.stdout

    def _ovs_pki(self, *argv):
        self._run("ovs-pki", f"--dir={self.dir}/pki", f"--log={self.dir}/log", *argv)

    def ca(self, kind):
        return self.dir / f"pki/{kind}ca/cacert.pem"

    def files(self, name):
        return self.dir / f"{name}-privkey.pem", self.dir / f"{name}-cert.pem"

    def sign(self, name, kind="switch"):
        """The private key and the certificate of `name`, as two files."""
        self._ovs_pki("req+sign", name, kind)
        return self.files(name)

    def _request(self, name, *dns):
        self._run("openssl", "req", "-newkey", "rsa:2048", "-nodes",
                  "-subj", f"/O=Open vSwitch/CN={name}",
                  "-addext", "subjectAltName=" + ",".join(f"DNS:{n}" for n in dns),
                  "-keyout", f"{name}-privkey.pem", "-out", f"{name}-req.pem")

    def sign_names(self, name, *dns):
        self._request(name, *dns)
        self._ovs_pki("--batch", "sign", name, "switch")
        return self.files(name)

    def sign_expired(self, name):
        self._request(name, name)
        self._run("openssl", "ca", "-config", "ca.cnf", "-batch", "-extensions",
                  "usr_cert", "-startdate", "20200101000000Z", "-enddate",
                  "20200102000000Z", "-in", self.dir / f"{name}-req.pem", "-out",
                  self.dir / f"{name}-cert.pem", cwd=self.dir / "pki/switchca")
        return self.files(name)

    def fingerprint(self, name):
        """As the allow file has it."""
        return self._run("openssl", "x509", "-noout", "-fingerprint", "-sha256", "-in",
                         self.files(name)[1]).strip().split("=")[1]

    def options(self):
        """Those of rfproxy and rfvs."""
        key, cert = self.controller
        return ["--certificate", cert, "--private-key", key, "--ca-cert",
                self.ca("switch")]

    def context(self, name=None, version=None):
        """Of a switch in Python."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(self.ca("controller"))
        if version:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # Of old ones.
                context.minimum_version = context.maximum_version = version
        if name:
            key, cert = self.files(name)
            context.load_cert_chain(cert, key)
        return context
