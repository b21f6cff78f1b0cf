"""Fills the table of connections of this network to the brim, or empties it: conntrack.py fill | flush.

The limit is the machine's and is only read; entries are counted for each network. They are made as answered ones, which the
kernel does not give up for new ones, and end by themselves after ten minutes.
"""

import socket
import struct
import sys

NEW, DELETE = 0x100, 0x102
ACK, CREATE = 0x4, 0x400
REQUEST = 0x1
MOST = 500


def attribute(kind, data):
    return struct.pack("=HH", 4 + len(data), kind) + data + b"\0" * (-len(data) % 4)


def nest(kind, *parts):
    return attribute(kind | 0x8000, b"".join(parts))


def side(kind, source, target, ports):
    ip = nest(1, attribute(1, source), attribute(2, target))
    protocol = attribute(1, b"\x11") + attribute(2, struct.pack(">H", ports[0])) + attribute(3, struct.pack(">H", ports[1]))
    return nest(kind, ip, nest(2, protocol))


def message(kind, flags, body=b""):
    head = struct.pack("=BBH", socket.AF_INET, 0, 0)
    return struct.pack("=IHHII", 16 + len(head) + len(body), kind, REQUEST | flags, 0, 0) + head + body


def entry(number):
    one = struct.pack(">I", 0x0A630000 + number // 60000)
    other, port = socket.inet_aton("10.99.255.1"), 1024 + number % 60000
    # Confirmed, answered, and assured.
    status = attribute(3, struct.pack(">I", 0x2 | 0x4 | 0x8))
    return message(
        NEW,
        CREATE,
        side(1, one, other, (port, 9)) + side(2, other, one, (9, port)) + status + attribute(7, struct.pack(">I", 600)),
    )


def count(name):
    with open(f"/proc/sys/net/netfilter/nf_conntrack_{name}") as file:
        return int(file.read())


def main():
    link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
    if sys.argv[1] == "flush":
        link.send(message(DELETE, ACK))
        link.recv(4096)
        return
    number, room = 0, count("max")
    while count("count") < room and number < 2 * room:
        link.send(b"".join(entry(at) for at in range(number, number + MOST)))
        number += MOST
    sys.exit(count("count") < room)


main()
