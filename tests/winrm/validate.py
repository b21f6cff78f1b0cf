"""Two foreign clients, pywinrm and pypsrp, run one scenario against a Windows host.

By default that host is the stand-in (`winrm validate` starts it). With the environment variables
below it is a real server, and the same must hold there.

FLEETCLOCK_WINDOWS_HOST       name or address; WinRM on 5985, HTTPS on 5986 if a CA is given
FLEETCLOCK_WINDOWS_USER       default Administrator
FLEETCLOCK_WINDOWS_PASSWORD
FLEETCLOCK_WINDOWS_CA         PEM file: also try HTTPS, with NTLM
FLEETCLOCK_WINDOWS_BASIC      1: Basic is allowed there, try it over HTTPS
FLEETCLOCK_WINDOWS_KOREAN     a second host, whose language is Korean (same password)
FLEETCLOCK_WINDOWS_OPERATOR   a user who is no administrator (same password)
"""

import os
import sys
import time
import warnings

import pypsrp.exceptions
import winrm.exceptions
from pypsrp.shell import Process, SignalCode, WinRS
from pypsrp.wsman import WSMan
from winrm.protocol import Protocol

warnings.filterwarnings("ignore")
ENV = os.environ.get
HOST = os.environ["FLEETCLOCK_WINDOWS_HOST"]
USER = ENV("FLEETCLOCK_WINDOWS_USER", "Administrator")
PASSWORD = os.environ["FLEETCLOCK_WINDOWS_PASSWORD"]
CA = ENV("FLEETCLOCK_WINDOWS_CA")
REFUSED = (winrm.exceptions.InvalidCredentialsError, pypsrp.exceptions.AuthenticationError)


class Pywinrm:
    """The client library pywinrm, in the shape the scenario needs."""

    def __init__(self, host=HOST, user=USER, password=PASSWORD, transport="ntlm", https=False, encrypt=True,
                 environment=None, codepage=437, directory=None, timeout=60):
        url = f"https://{host}:5986/wsman" if https else f"http://{host}:5985/wsman"
        self.protocol = Protocol(
            url, transport=transport, username=user, password=password,
            server_cert_validation="validate", ca_trust_path=CA or "legacy_requests",
            message_encryption="auto" if https else "always" if encrypt else "never",
            operation_timeout_sec=timeout, read_timeout_sec=timeout + 20,
        )
        self.options = {"env_vars": environment, "codepage": codepage, "working_directory": directory}

    def __enter__(self):
        self.shell = self.protocol.open_shell(**self.options)
        return self

    def __exit__(self, *_):
        self.protocol.close_shell(self.shell)

    def run(self, line, stdin=None):
        command = self.protocol.run_command(self.shell, line)
        if stdin is not None:
            self.protocol.send_command_input(self.shell, command, stdin, end=True)
        out, err, code = self.protocol.get_command_output(self.shell, command)
        self.protocol.cleanup_command(self.shell, command)
        return out, err, code

    def forget(self):
        """Uses the shell after it was deleted."""
        self.protocol.close_shell(self.shell)
        self.run("ver")


class Pypsrp:
    """The client library pypsrp, in the same shape."""

    def __init__(self, host=HOST, user=USER, password=PASSWORD, transport="ntlm", https=False, encrypt=True,
                 environment=None, codepage=437, directory=None, timeout=60):
        self.connection = WSMan(
            host, port=5986 if https else 5985, ssl=https, auth=transport, username=user, password=password,
            encryption="auto" if https else "always" if encrypt else "never", cert_validation=CA if https else True,
            operation_timeout=timeout, read_timeout=timeout + 20,
        )
        self.options = {"environment": environment, "codepage": codepage, "working_directory": directory}

    def __enter__(self):
        self.connection.__enter__()
        self.shell = WinRS(self.connection, **self.options)
        self.shell.open()
        return self

    def __exit__(self, *_):
        self.shell.close()
        self.connection.__exit__(None, None, None)

    def run(self, line, stdin=None):
        process = Process(self.shell, line)
        process.begin_invoke()
        if stdin is not None:
            process.send(stdin, end=True)
        process.end_invoke()
        process.signal(SignalCode.TERMINATE)
        return process.stdout, process.stderr, process.rc

    def forget(self):
        self.shell.close()
        self.run("ver")


def expect(what, actual, wanted):
    if actual != wanted:
        raise AssertionError(f"{what}: {actual!r} instead of {wanted!r}")


def expect_error(what, kinds, act):
    try:
        act()
    except kinds as error:
        return str(error)
    raise AssertionError(f"{what}: no error")


def commands(client):
    """Output, exit codes of 32 bits, errors, and several commands in one shell."""
    with client() as shell:
        out, err, code = shell.run("ver")
        expect("ver", (b"Microsoft Windows" in out, err, code), (True, b"", 0))
        expect("exit code", shell.run("exit 5")[2], 5)
        expect("an HRESULT comes without sign", shell.run("exit -2147023436")[2], 2147943860)
        expect("unknown command", shell.run("fleetclock-has-no-such-command")[2] != 0, True)
        expect("standard error", shell.run("echo broken 1>&2")[:2], (b"", b"broken \r\n"))


def settings(client):
    """Variables and the working directory of a shell."""
    with client(environment={"FC_VAR": "x y"}, directory="C:\\Windows") as shell:
        expect("variable", shell.run("echo %FC_VAR%")[0], b"x y\r\n")
        expect("directory", shell.run("cd")[0].strip().lower(), b"c:\\windows")


def standard_input(client):
    with client() as shell:
        expect("stdin", shell.run("set /p X= & call echo [%^X%]", b"hello\r\n")[0].strip(), b"[hello]")


def large_output(client):
    """More than an envelope holds."""
    with client() as shell:
        out = shell.run("for /L %i in (1,1,3000) do @echo " + "0123456789abcdef" * 8)[0]
        expect("lines", out.count(b"\r\n"), 3000)
        expect("bytes", len(out), 3000 * 130)


def waiting(client):
    """A command that is silent for longer than OperationTimeout is asked after again."""
    with client(timeout=2) as shell:
        start = time.monotonic()
        out, _, code = shell.run("ping -n 6 127.0.0.1 >nul & echo done")
        expect("after the wait", (out, code), (b"done\r\n", 0))
        expect("waited", time.monotonic() - start > 3, True)


def refusals(client):
    """Wrong password, no encryption, a shell that is not there."""
    def with_wrong_password():
        with client(password="wrong") as shell:
            shell.run("ver")

    def in_the_clear():
        with client(encrypt=False) as shell:
            shell.run("ver")

    expect_error("wrong password", REFUSED, with_wrong_password)
    expect_error("no encryption over HTTP", Exception, in_the_clear)


def unknown_shell(client):
    shell = client().__enter__()
    text = expect_error("unknown shell", Exception, shell.forget)
    expect("says which fault", "2150858843" in text or "shell was not found" in text, True)


def long_line(client):
    with client() as shell:
        expect("a line over 8191 characters", shell.run("echo " + "x" * 9000)[2], 1)


def no_administrator(client):
    def as_operator():
        with client(user=ENV("FLEETCLOCK_WINDOWS_OPERATOR")) as shell:
            shell.run("ver")

    text = expect_error("a user without rights", Exception, as_operator)
    expect("says access denied", "denied" in text.lower(), True)


def https(client):
    with client(https=True) as shell:
        expect("NTLM inside TLS", shell.run("exit 3")[2], 3)
    if ENV("FLEETCLOCK_WINDOWS_BASIC"):
        # Both libraries write the password in Latin-1; Windows reads it as UTF-8.
        with client(https=True, transport="basic", password=PASSWORD.encode().decode("latin-1")) as shell:
            expect("Basic inside TLS", shell.run("exit 4")[2], 4)


def korean(client):
    """Bytes of code page 949 by default, UTF-8 if the client asks for it."""
    host, line = ENV("FLEETCLOCK_WINDOWS_KOREAN"), "reg query HKLM\\SOFTWARE\\fleetclock-no-such-key 2>&1"
    with client(host=host, codepage=949) as shell:
        old = shell.run(line)[0].decode("cp949")
    with client(host=host, codepage=65001) as shell:
        new = shell.run(line)[0].decode("utf-8")
    expect("the same text in both", old, new)
    expect("Korean letters", any("가" <= letter <= "힣" for letter in old), True)


def main():
    steps = [commands, settings, standard_input, large_output, waiting, refusals, unknown_shell, long_line]
    steps += [https] if CA else []
    steps += [korean] if ENV("FLEETCLOCK_WINDOWS_KOREAN") else []
    steps += [no_administrator] if ENV("FLEETCLOCK_WINDOWS_OPERATOR") else []
    failed = 0
    for client in (Pywinrm, Pypsrp):
        for step in steps:
            start = time.monotonic()
            try:
                step(client)
                verdict = "ok"
            except Exception as error:  # Whatever a client raises, the next step still runs.
                verdict, failed = f"FAILED: {type(error).__name__}: {error}", failed + 1
            print(f"{client.__name__.lower():8} {step.__name__:17} {time.monotonic() - start:5.1f} s  {verdict}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
