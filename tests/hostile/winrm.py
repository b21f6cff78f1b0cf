"""A WinRM listener that lets a client log in, open a shell and run a line, and misbehaves at one stage of that."""
import asyncio, base64, re, struct

import spnego

import winrm_acts as acts
from wire import Gone

USER = "operator"
SEALED = "application/HTTP-SPNEGO-session-encrypted"
DONE = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/CommandState/Done"
SHELL, COMMAND = "11111111-2222-3333-4444-555555555555", "66666666-7777-8888-9999-AAAAAAAAAAAA"
ENVELOPE = (
    '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:rsp="http://schemas.microsoft.com/wbem/wsman/1/windows/shell"'
    ' xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing">'
    "<s:Header><a:RelatesTo>{id}</a:RelatesTo></s:Header><s:Body>{body}</s:Body></s:Envelope>"
)


class Server:
    """One connection of one case: `stage` is where `act` takes the place of what is usual."""

    def __init__(self, reader, writer, case, log, trap):
        self.reader, self.writer, self.case, self.log, self.trap = reader, writer, case, log, trap
        self.context, self.known, self.id = None, False, ""
        self.head, self.body = "", b""

    async def at(self, stage):
        """Misbehaves if this is the stage for it; true if that took the place of what is usual."""
        if self.case.stage != stage:
            return False
        return await acts.ALL[self.case.act](self, *self.case.arguments)

    async def run(self):
        await self.at("connect")
        while True:
            await self.read()
            self.note()
            if self.known or await self.login():
                await self.operation()

    # HTTP

    async def read(self):
        try:
            self.head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            self.body = await self.reader.readexactly(int(self.header("content-length") or 0))
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError) as error:
            raise Gone from error

    def header(self, name):
        found = re.search(rf"(?im)^{name}: *(.*?)\r$", self.head)
        return found.group(1) if found else ""

    async def push(self, data):
        try:
            self.writer.write(data)
            await self.writer.drain()
        except (ConnectionError, RuntimeError) as error:
            raise Gone from error

    async def reply(self, status, body=b"", *headers, type="application/soap+xml;charset=UTF-8"):
        await self.push(self.response(status, body, *headers, type=type))

    @staticmethod
    def response(status, body=b"", *headers, type="application/soap+xml;charset=UTF-8"):
        lines = [f"HTTP/1.1 {status} x", f"Content-Type: {type}", f"Content-Length: {len(body)}", *headers]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body

    # The login

    def note(self):
        """What of the secrets was given away, and how often the password was proven to be known."""
        scheme, _, token = self.header("authorization").partition(" ")
        secret = base64.b64encode(f"{USER}:{self.case.password}".encode()).decode()
        if token == secret or self.case.password in self.head or self.case.password.encode() in self.body:
            self.log(password=scheme)
        if self.token()[8:9] == b"\3":
            self.log(proof=scheme)
        if self.case.name == "trap":
            self.log(trapped=self.head)

    def token(self):
        try:
            return base64.b64decode(self.header("authorization").partition(" ")[2])
        except ValueError:
            return b""

    async def login(self):
        """Whether the request at hand is from somebody known, and asks for something."""
        token = self.token()
        if self.case.kind == "basic":
            self.known = bool(token) or await self.challenge()
        elif not token.startswith(b"NTLMSSP\0"):
            await self.challenge()
        elif token[8:9] == b"\1":
            self.context = spnego.server(protocol="ntlm")
            self.offer = self.context.step(token)
            if not await self.at("challenge"):
                await self.negotiate(self.offer)
        elif not await self.at("proof"):
            self.context.step(token)
            self.known = True
        if self.known and not self.body:
            await self.reply(200)
        return self.known and bool(self.body)

    async def challenge(self):
        await self.reply(401, b"", f"WWW-Authenticate: {'Basic realm=x' if self.case.kind == 'basic' else 'Negotiate'}")
        return False

    async def negotiate(self, token):
        await self.reply(401, b"", "WWW-Authenticate: Negotiate " + base64.b64encode(token).decode())

    # What is asked for

    def unsealed(self):
        if self.case.kind == "basic" or not self.header("content-type").startswith("multipart"):
            return self.body
        part = self.body.split(b"application/octet-stream\r\n", 1)[1]
        size = struct.unpack("<I", part[:4])[0]
        data = part[4 + size : part.rindex(b"--Encrypted Boundary--")]
        return self.context.unwrap_winrm(part[4 : 4 + size], data)

    async def operation(self):
        asked = self.unsealed().decode()
        self.id = re.search(r"MessageID[^>]*>([^<]*)", asked).group(1)
        self.asked = re.search(r"/(\w+)</\w*:?Action>", asked).group(1).lower()
        if not await self.at(self.asked):
            await self.answer(self.usual(self.asked))

    def usual(self, asked):
        return {
            "create": f'<rsp:Shell><rsp:ShellId>{SHELL}</rsp:ShellId></rsp:Shell>',
            "command": f"<rsp:CommandResponse><rsp:CommandId>{COMMAND}</rsp:CommandId></rsp:CommandResponse>",
            "receive": self.output(b""),
            "signal": "<rsp:SignalResponse/>",
        }.get(asked, "")

    @staticmethod
    def output(data, end="<rsp:ExitCode>0</rsp:ExitCode>", done=True, name="stdout"):
        """A piece of output; and the end, if that is it."""
        state = f'<rsp:CommandState CommandId="{COMMAND}" State="{DONE}">{end}</rsp:CommandState>' if done else ""
        text = base64.b64encode(data).decode() if isinstance(data, bytes) else data
        return f'<rsp:ReceiveResponse><rsp:Stream Name="{name}" CommandId="{COMMAND}">{text}</rsp:Stream>{state}</rsp:ReceiveResponse>'

    def envelope(self, body, id=None):
        return ENVELOPE.format(id=id or self.id, body=body).encode()

    async def answer(self, body, status=200):
        await self.document(self.envelope(body), status)

    async def document(self, xml, status=200):
        """An answer, protected as the login demands."""
        await self.push(self.sealed(xml, status))

    def sealed(self, xml, status=200, length=None):
        if self.case.kind == "basic":
            return self.response(status, xml)
        head, data, _ = self.context.wrap_winrm(xml)
        body = (
            f"--Encrypted Boundary\r\n\tContent-Type: {SEALED}\r\n"
            f"\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length={len(xml) if length is None else length}\r\n"
            "--Encrypted Boundary\r\n\tContent-Type: application/octet-stream\r\n"
        ).encode() + struct.pack("<I", len(head)) + head + data + b"--Encrypted Boundary--\r\n"
        return self.response(status, body, type=f'multipart/encrypted;protocol="{SEALED}";boundary="Encrypted Boundary"')
