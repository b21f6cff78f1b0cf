"""All hostile servers of the two tables, each at an address of its own: `servers.py FOLDER [NAME...]`

Writes into the folder: known_hosts, users, cert.pem, pin, hosts (NAME ADDRESS KIND, one a line), seen
(what clients gave away, JSON lines), and `ready` when all of them listen.
"""
import asyncio, datetime, hashlib, json, os, pathlib, ssl, sys, traceback

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

import ssh
import winrm
from wire import Gone

HERE = pathlib.Path(__file__).parent
PASSWORD = "hostile-password-4711"


class Case:
    """A line of a table: name | stage | act and arguments | words of the error."""

    def __init__(self, line, network, number):
        self.name, self.stage, act, _ = (part.strip() for part in line.split("|", 3))
        self.act, *self.arguments = act.split(" ") if " " in act else (act,)
        self.address = f"{network}.{number // 200}.{number % 200 + 1}"
        self.password = PASSWORD
        begin = self.name.split("-")[0]
        self.kind = begin if begin in ("tls", "basic") else "http"


def table(name, network):
    lines = (HERE / name).read_text().splitlines()
    lines = [line for line in lines if line.strip() and not line.startswith("#")]
    return [Case(line, network, number) for number, line in enumerate(lines)]


class Log:
    def __init__(self, path):
        self.file = open(path, "w", buffering=1)

    def of(self, case):
        return lambda **what: print(json.dumps({"case": case.name, **what}), file=self.file)


async def attend(server, case, log):
    """One connection to its end."""
    log(connected=1)
    try:
        await server.run()
    except (Gone, ConnectionError):
        pass
    except Exception:
        # A mistake of ours must not pass for a hostile host.
        log(bug=traceback.format_exc())
    server.writer.transport.abort() if case.act == "reset" else server.writer.close()


async def serve_ssh(case, key, log):
    async def connected(reader, writer):
        await attend(ssh.Server(reader, writer, case, key, log), case, log)

    await asyncio.start_server(connected, case.address, 22, limit=1 << 20)


async def serve_winrm(case, tls, log, trap):
    async def connected(reader, writer):
        await attend(winrm.Server(reader, writer, case, log, trap), case, log)

    if case.kind == "http":
        await asyncio.start_server(connected, case.address, 5985, limit=1 << 20)
    if case.stage == "tls":
        # What comes takes the place of TLS.
        case.stage = "connect"
        await asyncio.start_server(connected, case.address, 5986, limit=1 << 20)
    elif case.kind != "http" or case.name == "trap":
        await asyncio.start_server(connected, case.address, 5986, limit=1 << 20, ssl=tls)


def certificate(folder):
    """A certificate that is its own authority, and its fingerprint."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.timezone.utc)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hostile")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + datetime.timedelta(1))
    made = builder.sign(key, hashes.SHA256())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + made.public_bytes(Encoding.PEM)
    (folder / "cert.pem").write_bytes(pem)
    (folder / "pin").write_text(hashlib.sha256(made.public_bytes(Encoding.DER)).hexdigest())
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "cert.pem")
    return tls


async def main(folder, chosen):
    log = Log(folder / "seen")
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    (folder / "known_hosts").write_text(f"127.* {public}\n")
    wanted = lambda case: not chosen or case.name in chosen
    secure = list(filter(wanted, table("ssh.txt", "127.22")))
    for case in secure:
        await serve_ssh(case, key, log.of(case))
    # What pyspnego knows passwords from.
    (folder / "users").write_text(f":{winrm.USER}:{PASSWORD}\n")
    os.environ["NTLM_USER_FILE"] = str(folder / "users")
    tls, trap = certificate(folder), Case("trap | none | silent |", "127.24", 0)
    windows = list(filter(wanted, table("winrm.txt", "127.23")))
    for case in [*windows, trap]:
        await serve_winrm(case, tls, log.of(case), trap.address)
    hosts = [f"{case.name} {case.address} ssh\n" for case in secure]
    hosts += [f"{case.name} {case.address} {case.kind}\n" for case in windows]
    (folder / "hosts").write_text("".join(hosts))
    (folder / "ready").write_text("")
    await asyncio.sleep(3600)


if __name__ == "__main__":
    asyncio.run(main(pathlib.Path(sys.argv[1]), sys.argv[2:]))
