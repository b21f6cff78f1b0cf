"""A server that lets a client log in and run a script, and misbehaves at one stage of that."""
import asyncio, re, struct

from wire import DISCONNECT, KEXINIT, NEWKEYS, OURS, SERVICE_ACCEPT, Gone, Wire, kexinit, string
import acts

TOKEN = rb"fc-%s-[0-9a-f]{16}"


class Server(Wire):
    """One connection of one case: `stage` is where `act` takes the place of what is usual."""

    def __init__(self, reader, writer, case, key, log):
        super().__init__(reader, writer, key)
        self.case, self.log = case, log
        self.theirs = b""
        self.peer, self.local = 0, 0
        self.heard, self.command = bytearray(), b""

    async def at(self, stage):
        """Misbehaves if this is the stage for it; true if that took the place of what is usual."""
        if self.case.stage != stage:
            return False
        return await acts.ALL[self.case.act](self, *self.case.arguments)

    async def run(self):
        await self.greet()
        await self.exchange()
        await self.login()
        await self.channel()
        await self.script()

    async def greet(self):
        if not await self.at("banner"):
            await self.push(OURS + b"\r\n")
        self.theirs = (await self.line()).rstrip(b"\r\n")

    async def line(self):
        try:
            return await self.reader.readuntil(b"\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError) as error:
            raise Gone from error

    async def exchange(self):
        self.ours = kexinit()
        if not await self.at("kexinit"):
            await self.send(self.ours)
        theirs = await self.expect(KEXINIT)
        question = await self.expect(30)
        spoil = self.case.arguments[0] if self.case.act == "spoil" else None
        answer, following = self.reply(theirs, self.ours, question, spoil)
        if not await self.at("reply") or spoil:
            await self.send(answer)
        if not await self.at("newkeys"):
            await self.send(bytes([NEWKEYS]))
        self.out = following
        await self.expect(NEWKEYS)

    async def login(self):
        await self.expect(5)
        if not await self.at("service"):
            await self.send(bytes([SERVICE_ACCEPT]) + string(b"ssh-userauth"))
        while True:
            request = await self.expect(50, 61)
            self.note(request)
            self.request = request
            if not await self.at("auth") and await self.judge(request):
                break
        await self.at("login")

    def note(self, request):
        """What of the secrets was given away."""
        if self.case.password.encode() in request:
            self.log(password=request[0])

    async def judge(self, request):
        """Any key is welcome."""
        method = request[1:].split(string(b"ssh-connection"), 1)[-1]
        if not method.startswith(string(b"publickey")):
            await self.send(b"\x33" + string(b"publickey") + b"\0")
        elif self.signed(request):
            await self.send(b"\x34")
            return True
        else:
            await self.send(b"\x3c" + method[len(string(b"publickey")) + 1 :])
        return False

    @staticmethod
    def signed(request):
        """Whether a login with a key is more than the question if that key would do."""
        return request.split(string(b"publickey"), 1)[-1][:1] == b"\1"

    async def channel(self):
        opening = await self.expect(90)
        kind = struct.unpack("!I", opening[1:5])[0]
        self.peer, self.window, largest = struct.unpack("!III", opening[5 + kind : 17 + kind])
        if not await self.at("open"):
            await self.send(b"\x5b" + struct.pack("!IIII", self.peer, self.local, 1 << 21, 32768))
        request = await self.expect(98)
        self.command = request[16:]
        if not await self.at("exec"):
            await self.send(b"\x63" + struct.pack("!I", self.peer))

    async def script(self):
        await self.at("shell")
        mark = re.search(TOKEN % b"mark", self.command)
        if mark:
            await self.say(mark.group() + b"\n")
        while True:
            end = re.search(TOKEN % b"end", self.heard)
            if end and self.heard.rstrip().endswith(end.group() + b" >&2"):
                break
            self.listen(await self.next())
        self.end = end.group()
        if not await self.at("script"):
            await self.finish(b"", b"")
        await asyncio.sleep(600)

    def listen(self, packet):
        if packet[0] == 94:
            if self.case.password.encode() in packet:
                self.log(password=packet[0])
            self.heard += packet[9:]

    async def finish(self, out, err, status=b" 0"):
        """The end of a script, as a shell would say it."""
        await self.say(out + b"\n" + self.end + status + b"\n")
        await self.say(err + b"\n" + self.end + b"\n", error=True)
        self.heard.clear()

    async def say(self, data, error=False):
        """Output within the window."""
        while data:
            piece = data[: min(32000, self.window)]
            if not piece:
                self.room.clear()
                self.listen(await self.next())
                continue
            self.window -= len(piece)
            data = data[len(piece) :]
            await self.send(self.output(piece, error))

    def output(self, data, error=False):
        number = struct.pack("!I", self.peer)
        return b"\x5f" + number + struct.pack("!I", 1) + string(data) if error else b"\x5e" + number + string(data)

    def message(self, kind, body=b""):
        return bytes([kind]) + struct.pack("!I", self.peer) + body
