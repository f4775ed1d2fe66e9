"""Reads the store as any program could: SQLite by its json column, MongoDB by a find
over its wire protocol (OP_MSG), of which this speaks as much as the checks need."""

import json
import socket
import sqlite3
import struct
from urllib.parse import urlsplit

from .system import LabError


def read(uri, collection):
    """All documents of a collection."""
    if uri.startswith("sqlite:"):
        return _read_sqlite(uri.removeprefix("sqlite:"), collection)
    return _read_mongodb(uri, collection)


def _read_sqlite(path, collection):
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)
    try:
        return [json.loads(text) for text, in
                database.execute(f'select json from "{collection}"')]
    except sqlite3.Error as error:
        raise LabError(f"{path}: {error}")
    finally:
        database.close()


def _read_mongodb(uri, collection):
    return ask(uri, {"find": collection, "batchSize": 10000,
                     "singleBatch": True})["cursor"]["firstBatch"]


def collections(uri):
    """Names of the collections in a MongoDB database."""
    answer = ask(uri, {"listCollections": 1, "nameOnly": True})
    return [entry["name"] for entry in answer["cursor"]["firstBatch"]]


def drop(uri):
    """Removes a MongoDB database."""
    ask(uri, {"dropDatabase": 1})


def ask(uri, command):
    """The answer of a MongoDB server to a command on the database that a URI names."""
    parts = urlsplit(uri)
    database = parts.path.strip("/") or "routeflow"
    try:
        with socket.create_connection((parts.hostname, parts.port or 27017), 5) as peer:
            answer = _command(peer, {**command, "$db": database})
    except OSError as error:
        raise LabError(f"{parts.hostname}: {error}")
    if not answer.get("ok"):
        raise LabError(f"{parts.hostname}: {answer.get('errmsg')}")
    return answer


def _command(peer, document):
    body = struct.pack("<iB", 0, 0) + encode(document)
    peer.sendall(struct.pack("<iiii", 16 + len(body), 1, 0, 2013) + body)
    length, = struct.unpack_from("<i", _receive(peer, 4))
    return decode(_receive(peer, length - 4)[12 + 5:])


def _receive(peer, size):
    data = b""
    while len(data) < size:
        part = peer.recv(size - len(data))
        if not part:
            raise LabError("the MongoDB server closed the connection")
        data += part
    return data


def encode(document):
    """A flat document of strings, numbers and booleans as BSON."""
    out = b""
    for key, value in document.items():
        name = key.encode() + b"\0"
        if isinstance(value, bool):
            out += b"\x08" + name + bytes([value])
        elif isinstance(value, int):
            out += b"\x10" + name + struct.pack("<i", value)
        else:
            text = value.encode() + b"\0"
            out += b"\x02" + name + struct.pack("<i", len(text)) + text
    return struct.pack("<i", len(out) + 5) + out + b"\0"


def decode(data):
    """A BSON document as a dictionary (bsonspec.org); dates are milliseconds."""
    return _document(data, 0)[0]


def _document(data, at):
    length, = struct.unpack_from("<i", data, at)
    end, at, document = at + length - 1, at + 4, {}
    while at < end:
        kind = data[at]
        stop = data.index(0, at + 1)
        key = data[at + 1:stop].decode()
        document[key], at = _value(kind, data, stop + 1)
    return document, end + 1


def _value(kind, data, at):
    if kind == 0x02:
        length, = struct.unpack_from("<i", data, at)
        return data[at + 4:at + 3 + length].decode(), at + 4 + length
    if kind in (0x03, 0x04):
        document, after = _document(data, at)
        return (list(document.values()) if kind == 0x04 else document), after
    if kind == 0x05:
        length, = struct.unpack_from("<i", data, at)
        return data[at + 5:at + 5 + length], at + 5 + length
    if kind == 0x0A:
        return None, at
    if kind == 0x07:
        return data[at:at + 12].hex(), at + 12
    if kind == 0x08:
        return data[at] == 1, at + 1
    for code, size, form in ((0x01, 8, "<d"), (0x09, 8, "<q"), (0x10, 4, "<i"),
                             (0x11, 8, "<Q"), (0x12, 8, "<q")):
        if kind == code:
            return struct.unpack_from(form, data, at)[0], at + size
    raise LabError(f"BSON type 0x{kind:02x} is not expected here")
