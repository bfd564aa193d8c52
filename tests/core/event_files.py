"""Reads TensorBoard's event files."""

import struct

from tensorboardX.proto.event_pb2 import Event


def events(folder):
    """All events of a folder's files in the order of writing: a record is its length (uint64), a
    checksum (uint32), the message, and another checksum."""
    found = []
    for path in sorted(folder.iterdir(), key=lambda p: p.stat().st_mtime_ns):
        data, at = path.read_bytes(), 0
        while at < len(data):
            (length,) = struct.unpack_from("<Q", data, at)
            found.append(Event.FromString(data[at + 12 : at + 12 + length]))
            at += 16 + length
    return found


def scalars(folder):
    """Name -> [(step, value)]."""
    found = {}
    for event in events(folder):
        for value in event.summary.value:
            if value.HasField("simple_value"):
                found.setdefault(value.tag, []).append((event.step, value.simple_value))
    return found


def texts(folder):
    """Name -> [(step, text)]."""
    found = {}
    for event in events(folder):
        for value in event.summary.value:
            if value.tensor.string_val:
                text = value.tensor.string_val[0].decode()
                found.setdefault(value.tag, []).append((event.step, text))
    return found
