"""What hostile SSH servers do. An act returns true if it has taken the place of the usual step."""
import asyncio, codecs, os, re, socket, struct

from wire import DEBUG, DISCONNECT, IGNORE, KEXINIT, NAMES, NEWKEYS, Gone, kexinit, string

# One network card for all of them together, bytes a second; and the most that one connection sends.
SPEED, MOST = int(os.environ.get("HOSTILE_SPEED", 100 << 20)), 1 << 30


def plain(text):
    """The bytes that the table writes with escapes."""
    return codecs.escape_decode(text.encode())[0]


class Card:
    """Shares the speed out, so that Python is not what the suite measures."""

    def __init__(self):
        self.free = 0.0

    async def __call__(self, count):
        now = asyncio.get_running_loop().time()
        self.free = max(self.free, now) + count / SPEED
        await asyncio.sleep(max(0.0, self.free - now - 0.05))


card = Card()


async def silent(server):
    await asyncio.sleep(600)
    raise Gone


async def close(server):
    raise Gone


async def reset(server):
    linger = struct.pack("ii", 1, 0)
    server.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    raise Gone


async def endless(server, piece):
    """The same bytes over and over, past all encryption."""
    for _ in range(MOST // len(piece)):
        await card(len(piece))
        await server.push(piece)
    await silent(server)


async def lines(server):
    await endless(server, b"Welcome to this machine. It greets all of its visitors.\r\n" * 500)


async def longline(server):
    await endless(server, b"x" * 32768)


async def zeros(server):
    await endless(server, bytes(32768))


async def noise(server):
    await endless(server, os.urandom(32768))


async def drip(server, text="SSH-2.0-"):
    """A byte a second."""
    for byte in (text + "x" * 600).encode():
        await server.push(bytes([byte]))
        await asyncio.sleep(1)


async def write(server, text):
    """Some bytes, and then nothing."""
    await server.push(plain(text))
    await silent(server)


async def greeting(server, text):
    """Another first line; the rest goes on as usual."""
    await server.push(plain(text))
    return True


async def flood(server, kind, size="30000", most=str(MOST), then="silent"):
    """Packets of one kind, some at a time."""
    payload = bytes([int(kind)]) + string(bytes(int(size)))
    if int(kind) == DEBUG:
        payload = bytes([DEBUG, 0]) + string(bytes(int(size))) + string(b"")
    batch = max(1, 60000 // len(payload))
    for _ in range(int(most) // (batch * len(payload))):
        await card(batch * len(payload))
        await server.send(*[payload] * batch)
    if then == "silent":
        await silent(server)
    return False


async def packet(server, text):
    """One packet, given in hex; then nothing."""
    await server.send(bytes.fromhex(text))
    await silent(server)


async def before(server, text):
    """One packet, given in hex, before the usual one."""
    await server.send(bytes.fromhex(text))
    return False


async def length(server, size):
    """A packet that says it is this long."""
    await server.push(server.packet(b"\2" + string(b""), length=int(size)))
    await endless(server, bytes(32768))


async def mac(server):
    await server.send(b"\2" + string(b"x"), spoil=True)
    await silent(server)


async def disconnect(server, words):
    await server.send(bytes([DISCONNECT]) + struct.pack("!I", 2) + string(plain(words)) + string(b""))
    raise Gone


async def offer(server, place, names=""):
    """Other algorithms in KEXINIT: at one place, or at all."""
    offered = [names.encode()] * 8 + [b"", b""] if place == "all" else list(NAMES)
    if place != "all":
        offered[int(place)] = names.encode()
    server.ours = kexinit(offered)
    await server.send(server.ours)
    return True


async def many_names(server, count):
    server.ours = kexinit([b",".join([b"none@example.com"] * int(count))] + NAMES[1:])
    await server.send(server.ours)
    return True


async def cut(server):
    """A KEXINIT whose lists are longer than it is."""
    await server.send(bytes([KEXINIT]) + bytes(16) + struct.pack("!I", 0x7FFFFFFF) + b"abc")
    await silent(server)


async def spoil(server, part):
    """The answer to the exchange of keys is not right in one part: see `Wire.reply`."""
    return False


# Keys again and again


async def kexinits(server):
    for _ in range(MOST // 300):
        await card(300)
        await server.send(kexinit())
    await silent(server)


async def begin_rekey(server):
    """New keys are asked for and never given."""
    await server.send(kexinit())
    await silent(server)


async def rekeys(server):
    while True:
        await card(2000)
        await server.rekey()


async def rekey_in_flight(server):
    """IGNORE without end, and new keys while it is on its way."""
    payload = bytes([IGNORE]) + string(bytes(30000))

    async def some(count=20):
        for _ in range(count):
            await card(30000)
            await server.send(payload)

    for _ in range(MOST // 3_000_000):
        await some(80)
        await server.rekey(some)
    await silent(server)


async def plain_newkeys(server):
    """NEWKEYS, without an exchange of keys."""
    await server.send(bytes([NEWKEYS]))
    await silent(server)


# The login


async def methods(server, names="", partial="0"):
    await server.send(b"\x33" + string(names.encode()) + bytes([int(partial)]))
    return True


async def banners(server):
    payload = b"\x35" + string(b"Authorized use only. " * 1400) + string(b"")
    for _ in range(MOST // len(payload)):
        await card(len(payload))
        await server.send(payload)
    await silent(server)


def method(request):
    rest = request[5 + struct.unpack("!I", request[1:5])[0] :]
    rest = rest[4 + struct.unpack("!I", rest[:4])[0] :]
    return rest[4 : 4 + struct.unpack("!I", rest[:4])[0]]


async def only(server, request, name):
    """Whether a request is of this kind; others are told to be."""
    if request[0] == 61 or method(request) == name:
        return True
    await server.send(b"\x33" + string(name) + b"\0")
    return False


async def question(server, request, texts, echo=0):
    await server.send(
        b"\x3c" + string(b"") + string(b"") + string(b"") + struct.pack("!I", len(texts))
        + b"".join(string(text) + bytes([echo]) for text in texts)
    )


async def ask(server, rounds, prompt, count="1", echo="0"):
    """keyboard-interactive, round after round; then no."""
    text = plain(prompt)
    request = server.request
    if await only(server, request, b"keyboard-interactive"):
        server.rounds = getattr(server, "rounds", 0) + 1
        if server.rounds > int(rounds):
            await server.send(b"\x33" + string(b"keyboard-interactive") + b"\0")
        else:
            await question(server, request, [text] * int(count), int(echo))
    return True


async def prompts(server, count):
    """A question that says it has this many parts."""
    if await only(server, server.request, b"keyboard-interactive"):
        await server.send(b"\x3c" + string(b"") * 3 + struct.pack("!I", int(count)) + string(b"Password: ") + b"\0")
    return True


async def change_password(server):
    if await only(server, server.request, b"password"):
        await server.send(b"\x3c" + string(b"Your password has expired. New one: ") + string(b""))
    return True


async def second_factor(server):
    """The key is right, and now a code is asked for."""
    request = server.request
    if request[0] == 50 and method(request) == b"publickey" and server.signed(request):
        server.first_factor = True
        await server.send(b"\x33" + string(b"keyboard-interactive") + b"\1")
    elif request[0] == 50 and method(request) == b"none" and getattr(server, "first_factor", False):
        await server.send(b"\x33" + string(b"keyboard-interactive") + b"\0")
    elif request[0] == 61 or method(request) == b"keyboard-interactive":
        if request[0] == 61:
            await server.send(b"\x33" + string(b"keyboard-interactive") + b"\0")
        else:
            await question(server, request, [b"Verification code: "])
    else:
        return False
    return True


# The channel


async def refuse_channel(server, code="2", size="20"):
    reason = (b"no channels today, says the server" * (int(size) // 30 + 1))[: int(size)]
    await server.send(server.message(0x5C, struct.pack("!I", int(code)) + string(reason) + string(b"")))
    await silent(server)


async def refuse_exec(server):
    await server.send(server.message(0x64))
    await silent(server)


async def window(server, size, largest):
    """An odd window for what we take."""
    await server.send(b"\x5b" + struct.pack("!IIII", server.peer, 0, int(size), int(largest)))
    return True


async def windows(server):
    """The window grows and grows."""
    for _ in range(MOST // 900_000):
        await card(48 * 1000)
        await server.send(*[server.message(93, struct.pack("!I", 0xFFFFFFFF))] * 1000)
    await silent(server)


async def requests(server, kind, reply="0"):
    """Requests about the channel or the connection that nobody knows."""
    name = string(b"tea@example.com") + bytes([int(reply)]) + bytes(8000)
    payload = server.message(98, name) if kind == "channel" else b"\x50" + name
    for _ in range(MOST // 64_000):
        await card(64_000)
        await server.send(*[payload] * 8)
    await silent(server)


async def opens(server, kind):
    """Channels that the server opens."""
    payload = b"\x5a" + string(kind.encode()) + struct.pack("!III", 7, 1 << 20, 32768) + string(b"127.0.0.1") * 2
    for _ in range(MOST // 4000):
        await card(5000)
        await server.send(*[payload] * 40)
    await silent(server)


async def other_channel(server):
    """Data for channels that are not there."""
    for number in range(MOST // 30_000):
        await card(30_000)
        await server.send(b"\x5e" + struct.pack("!I", 1000 + number) + string(bytes(29_000)))
    await silent(server)


async def beyond(server, error="0"):
    """Data whatever the window says."""
    piece = server.output(b"y" * 32000, error == "1")
    for _ in range(MOST // 32000):
        await card(32000)
        await server.send(piece)
    await silent(server)


async def huge_data(server, size):
    """Data that says it is this long, in a packet that is not."""
    await server.send(server.message(0x5E, struct.pack("!I", int(size)) + b"abc"))
    await silent(server)


async def talk(server, text="y", error="0", most=str(MOST)):
    """Output without end, within the window."""
    piece = plain(text)
    piece *= max(1, 32000 // len(piece))
    for _ in range(int(most) // len(piece)):
        await card(len(piece))
        await server.say(piece, error == "1")
    await silent(server)


async def trickle(server):
    while True:
        await server.say(b"still at work\n")
        await asyncio.sleep(0.5)


async def status(server, number="0"):
    """The end of a command without its output."""
    body = string(b"exit-status") + b"\0" + struct.pack("!I", int(number))
    await server.send(server.message(98, body), server.message(96), server.message(97))
    await silent(server)


async def signal(server, name, size="0"):
    body = string(b"exit-signal") + b"\0" + string(name.encode()) + b"\0" + string(b"!" * int(size)) + string(b"")
    await server.send(server.message(98, body), server.message(97))
    await silent(server)


async def eof(server):
    await server.send(server.message(96))
    await silent(server)


async def closes(server):
    for _ in range(MOST // 100_000):
        await card(48_000)
        await server.send(*[server.message(96), server.message(97)] * 500)
    await silent(server)


async def ask_sudo(server, rounds):
    """sudo's question again and again, also when the password was right."""
    prompt = server.command.split(b"-p ", 1)[-1].split(b" ", 1)[0]
    for _ in range(int(rounds)):
        await server.say(prompt, error=True)
        server.listen(await server.next())
    await silent(server)


# The answer to the script


async def answer(server, text="", status=" 0"):
    """What was asked for is not what comes."""
    await server.finish(plain(text), b"", plain(status))
    return True


async def echo_script(server, times):
    """The script itself as its output, with its marks."""
    await server.finish(bytes(server.heard) * int(times), b"")
    return True


async def frames(server, body, times="1"):
    """Each part of the script is answered with this, framed as it has to be."""
    boundary = re.search(rb'"(\S+) begin 0"', server.heard)
    parts = len(set(re.findall(rb"begin (\d+)", server.heard)))
    text = plain(body) * int(times)
    mark = boundary.group(1) if boundary else b"x"
    out = b"".join(b"%s begin %d\n%s\n%s end %d 0\n" % (mark, n, text, mark, n) for n in range(parts))
    err = b"".join(b"%s begin %d\n\n%s end %d 0\n" % (mark, n, mark, n) for n in range(parts))
    await server.finish(out, err)
    return True


async def half_end(server):
    """The end on one output only."""
    await server.say(b"\n" + server.end + b" 0\n")
    await silent(server)


ALL = {name: act for name, act in globals().items() if asyncio.iscoroutinefunction(act)}
