"""Which store rfserver writes into: a MongoDB server if there is one, otherwise a file."""

import os
import socket

from . import records
from .system import CHECKOUT, LabError, free_port, run

MONGO = CHECKOUT / "scripts" / "mongo"
SERVER = ("127.0.0.1", 27017)


def choose_store(instance):
    """The URI, in this order: $RF_STORE ("sqlite": the file); a database on the server
    that this machine runs; one on a server of our own; a file."""
    file = f"sqlite:{instance.dir}/store/routeflow.db"
    wanted = os.environ.get("RF_STORE")
    if wanted:
        return file if wanted == "sqlite" else wanted
    if _listens(*SERVER):
        return _own_database(instance)
    if run([MONGO, "which"], check=False).returncode == 0:
        return _start(instance)
    return file


def _listens(address, port):
    try:
        socket.create_connection((address, port), timeout=0.5).close()
    except OSError:
        return False
    return True


def _own_database(instance):
    """An empty one, so that neither two labs nor a lab and a network that somebody runs
    in earnest write into one; `down` removes it."""
    first = "routeflow" if instance.name == "demo" else f"rf-{instance.name}"
    for name in [first] + [f"{first}-{n}" for n in range(2, 100)]:
        uri = f"mongodb://{SERVER[0]}:{SERVER[1]}/{name}"
        if not records.collections(uri):
            instance.manifest.note("database", uri)
            return uri
    raise LabError(f"databases {first}... on port {SERVER[1]} are all in use; set RF_STORE")


def _start(instance):
    """A server of the lab's own, which ends with it."""
    port = free_port()
    instance.run(MONGO, "start", "--port", port, "--dir", instance.dir / "mongo")
    return f"mongodb://{SERVER[0]}:{port}/routeflow"


def drop_database(uri):
    """Nothing to do when the server is gone, and its data with it or not."""
    try:
        records.drop(uri)
    except LabError:
        pass


def mongosh():
    """How mongosh is called here."""
    found = run([MONGO, "which", "--shell"], check=False).stdout.strip() or "mongosh"
    home = os.environ.get("HOME", "/root").rstrip("/") + "/"
    return "~/" + found.removeprefix(home) if found.startswith(home) else found
