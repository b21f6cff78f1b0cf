"""The SSH protocol of RFC 4253, as little of it as a server needs that is going to break it."""
import asyncio, hashlib, hmac, os, struct

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

DISCONNECT, IGNORE, DEBUG, SERVICE_ACCEPT, KEXINIT, NEWKEYS, ECDH_REPLY = 1, 2, 4, 6, 20, 21, 31
WINDOW_ADJUST = 93
OURS = b"SSH-2.0-OpenSSH_9.2p1"
NAMES = [b"curve25519-sha256", b"ssh-ed25519", b"aes128-ctr", b"aes128-ctr", b"hmac-sha2-256", b"hmac-sha2-256", b"none", b"none", b"", b""]


def string(data):
    return struct.pack("!I", len(data)) + data


def mpint(data):
    data = data.lstrip(b"\0")
    return string(b"\0" + data if data and data[0] & 0x80 else data)


def raw(key):
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def host_key_blob(key):
    return string(b"ssh-ed25519") + string(raw(key.public_key()))


def kexinit(names=NAMES, follows=0):
    return bytes([KEXINIT]) + os.urandom(16) + b"".join(string(name) for name in names) + bytes([follows]) + bytes(4)


class Gone(Exception):
    """The client has left."""


class Direction:
    """The keys of one direction; none before the first exchange."""

    def __init__(self, secret=None, letters=b"  ", size=0):
        self.cipher = None
        if secret:
            shared, exchange, session = secret
            key = lambda letter, size: hashlib.sha256(shared + exchange + bytes([letter]) + session).digest()[:size]
            self.cipher = Cipher(algorithms.AES(key(letters[1], 16)), modes.CTR(key(letters[0], 16))).encryptor()
            self.mac = hashlib.sha256(shared + exchange + bytes([letters[2]]) + session).digest()

    def code(self, data):
        return self.cipher.update(data) if self.cipher else data


class Wire:
    """One connection: packets in and out, and the exchange of keys."""

    def __init__(self, reader, writer, key):
        self.reader, self.writer, self.key = reader, writer, key
        self.out, self.into, self.next_in = Direction(), Direction(), None
        self.sent = self.received = 0
        self.session = None
        self.window, self.room = 0, asyncio.Event()

    # Bytes and packets

    async def push(self, data):
        try:
            self.writer.write(data)
            await self.writer.drain()
        except (ConnectionError, RuntimeError) as error:
            raise Gone from error

    def packet(self, payload, length=None, spoil=False):
        padding = 16 - (5 + len(payload)) % 16
        padding += 16 if padding < 4 else 0
        size = 1 + len(payload) + padding if length is None else length
        plain = struct.pack("!IB", size, padding) + payload + bytes(padding)
        mac = b""
        if self.out.cipher:
            mac = hmac.digest(self.out.mac, struct.pack("!I", self.sent & 0xFFFFFFFF) + plain, "sha256")
        self.sent += 1
        return self.out.code(plain) + (bytes(len(mac)) if spoil else mac)

    async def send(self, *payloads, **how):
        await self.push(b"".join(self.packet(payload, **how) for payload in payloads))

    async def take(self, count):
        try:
            return await self.reader.readexactly(count)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise Gone from error

    async def next(self):
        """The next packet that is not about the window."""
        while True:
            head = self.into.code(await self.take(16 if self.into.cipher else 5))
            size, padding = struct.unpack("!IB", head[:5])
            plain = head + self.into.code(await self.take(size + 4 - len(head)))
            if self.into.cipher:
                await self.take(32)
            self.received += 1
            payload = plain[5 : len(plain) - padding]
            if payload[0] == NEWKEYS and self.next_in:
                self.into, self.next_in = self.next_in, None
            if payload[0] == WINDOW_ADJUST:
                self.window += struct.unpack("!I", payload[5:9])[0]
                self.room.set()
            elif payload[0] not in (IGNORE, DEBUG):
                return payload

    async def expect(self, *types):
        while True:
            payload = await self.next()
            if payload[0] in types:
                return payload

    # The exchange of keys

    def reply(self, theirs, ours, question, spoil=None):
        """The answer to ECDH_INIT, and the keys that come of it."""
        public, length = question, struct.unpack("!I", question[1:5])[0]
        public = question[5 : 5 + length]
        private = X25519PrivateKey.generate()
        point = raw(private.public_key())
        shared = mpint(private.exchange(X25519PublicKey.from_public_bytes(public)))
        blob = host_key_blob(self.key)
        parts = [self.theirs, OURS, theirs, ours, blob, public, point]
        exchange = hashlib.sha256(b"".join(map(string, parts)) + shared).digest()
        self.session = self.session or exchange
        signature = self.key.sign(exchange)
        if spoil == "signature":
            signature = bytes(64)
        if spoil == "signer":
            signature = Ed25519PrivateKey.generate().sign(exchange)
        secret = (shared, exchange, self.session)
        self.next_in, following = Direction(secret, b"ACE"), Direction(secret, b"BDF")
        point = bytes(32) if spoil == "point" else b"\1" * 7 if spoil == "short" else point
        blob = b"" if spoil == "blob" else blob
        signed = string(b"ssh-ed25519") + string(signature)
        return bytes([ECDH_REPLY]) + string(blob) + string(point) + string(signed), following

    async def rekey(self, between=None):
        """A whole exchange of keys that we begin; `between` is sent while it is under way."""
        ours = kexinit()
        await self.send(ours)
        if between:
            await between()
        theirs = await self.expect(KEXINIT)
        answer, following = self.reply(theirs, ours, await self.expect(30))
        await self.send(answer, bytes([NEWKEYS]))
        self.out = following
        await self.expect(NEWKEYS)
