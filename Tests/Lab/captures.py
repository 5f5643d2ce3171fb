"""Classic pcap files of Ethernet frames, microseconds."""

import struct

from frames import parse

MAGIC, NANOSECOND_MAGIC, ETHERNET = 0xA1B2C3D4, 0xA1B23C4D, 1


def write(path, frames):
    """`frames` are pairs of seconds and bytes."""
    with open(path, "wb") as file:
        file.write(struct.pack("=IHHiIII", MAGIC, 2, 4, 0, 0, 262144, ETHERNET))
        for time, raw in frames:
            file.write(struct.pack("=IIII", int(time), round(time % 1 * 1e6), len(raw), len(raw)) + raw)


def read(path):
    data = path.read_bytes()
    magic, _, _, _, _, _, link = struct.unpack("=IHHiIII", data[:24])
    assert magic in (MAGIC, NANOSECOND_MAGIC) and link == ETHERNET
    unit, offset, frames = 1e6 if magic == MAGIC else 1e9, 24, []
    while offset < len(data):
        seconds, fraction, captured, _ = struct.unpack("=IIII", data[offset:offset + 16])
        frames.append(parse(data[offset + 16:offset + 16 + captured], seconds + fraction / unit))
        offset += 16 + captured
    return frames
