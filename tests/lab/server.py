"""An NTP server for the lab that does as it is told: `server.py ADDRESS KEY=VALUE...`

offset (s), stratum, leap, root_delay (s), root_dispersion (s), kiss (a code), delay_in and
delay_out (s, held back on the way in and out), loss (of 1). Answers from the address that is asked.
"""
import random, socket, struct, sys, time

EPOCH = 2208988800
SO_TIMESTAMPNS = 35


def stamp(seconds):
    whole = int(seconds)
    return struct.pack("!II", (whole + EPOCH) & 0xFFFFFFFF, int((seconds - whole) * 2**32) & 0xFFFFFFFF)


def kernel_time(extra):
    """When the kernel received the packet; without that, now."""
    for level, kind, data in extra:
        if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
            seconds, nanoseconds = struct.unpack("qq", data[:16])
            return seconds + nanoseconds / 1e9
    return time.time()


def hold(seconds):
    """Waits exactly: a sleep alone comes back late, which would be a delay that nobody asked for."""
    end = time.monotonic() + seconds
    time.sleep(max(0.0, seconds - 0.001))
    while time.monotonic() < end:
        pass


def main():
    told = dict(word.split("=", 1) for word in sys.argv[2:])
    number = lambda key, default=0.0: float(told.get(key, default))
    kiss = told.get("kiss", "")
    sock = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    sock.bind((sys.argv[1], 123))
    while True:
        request, extra, _, peer = sock.recvmsg(1024, 64)
        if len(request) < 48 or random.random() < number("loss"):
            continue
        received = kernel_time(extra) + number("offset")
        if number("delay_in"):
            hold(number("delay_in"))
            received = time.time() + number("offset")
        stratum = 0 if kiss else int(number("stratum", 1))
        first = int(number("leap", 3 if kiss else 0)) << 6 | request[0] & 0x38 | 4
        short = lambda key: struct.pack("!I", int(number(key) * 65536))
        head = struct.pack("!BBbb", first, stratum, 4, -20) + short("root_delay") + short("root_dispersion")
        reference = (kiss or "LAB").encode().ljust(4, b"\0")
        times = stamp(received - 1) + request[40:48] + stamp(received)
        answer = head + reference + times
        delay, offset = number("delay_out"), number("offset")
        # The last thing before it leaves: what comes in between would be an error of ours.
        answer += stamp(time.time() + offset)
        if delay:
            hold(delay)
        sock.sendto(answer, peer)


main()
