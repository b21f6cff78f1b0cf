"""Measures a server whose offset is known with several tools, in turns; see `accuracy`."""
import json, os, re, statistics, subprocess, sys, tempfile, time

SERVER = "127.0.0.1"
BIN, PROBE, PEERS, ROUNDS = (os.environ[name] for name in ("FLEETCLOCK_BIN", "PROBE", "PEERS", "ROUNDS"))
# chronyd removes the file that it is told to keep its number in, whatever that is.
FOLDER = tempfile.mkdtemp(prefix="fleetclock-accuracy.")
SCENES = [
    ("plain", {}),
    ("offset 250 ms", {"offset": 0.25}),
    ("1 of 3 lost", {"offset": -0.25, "loss": 0.33}),
    ("5 ms each way", {"delay_in": 0.005, "delay_out": 0.005}),
    ("20 ms one way", {"offset": 0.25, "delay_in": 0.02}),
]


def run(command, **variables):
    environment = dict(os.environ, LC_ALL="C", **variables)
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)


def ours(text):
    """Offset and error bound, in seconds, of an answer of the probe in any of its shapes."""
    answer = json.loads(text)
    answer = answer[0] if isinstance(answer, list) else answer
    if answer["outcome"] != "ok":
        return None
    return answer["offset_ns"] / 1e9, answer["error_bound_ns"] / 1e9


def fleetclock():
    return ours(run([BIN, "probe", SERVER, "--samples", "4", "--format", "json"]).stdout)


def travelling():
    return ours(run([PROBE, "4", "7", "1000", "9223372036854775807", "any", f"{SERVER}={SERVER}"]).stdout)


def fallback():
    return ours(run(["bash", "src/ntp/fallback.bash", "4", "7", "1000", "9223372036854775807", f"{SERVER}={SERVER}"]).stdout)


def chronyd():
    # -Q measures and prints; it never sets the clock. -x forbids it once more.
    words = [f"{PEERS}/usr/sbin/chronyd", "-Q", "-x", "-u", "root", "-t", "20", f"server {SERVER} iburst maxsamples 4", "cmdport 0", f"pidfile {FOLDER}/chronyd.pid"]
    found = re.search(r"System clock wrong by (-?[0-9.]+) seconds", run(words).stderr)
    return found and (float(found[1]), None)


def ntpdig():
    folder = f"{PEERS}/usr/lib"
    words = [f"{PEERS}/usr/bin/ntpdig", "-j", "-p", "4", SERVER]
    text = run(words, PYTHONPATH=f"{folder}/python3/dist-packages", LD_LIBRARY_PATH=f"{folder}/x86_64-linux-gnu/ntp").stdout
    found = re.search(r'"offset": *(-?[0-9.e-]+)', text)
    return found and (float(found[1]), None)


TOOLS = [("fleetclock probe", fleetclock), ("the same on a host", travelling), ("the same in bash", fallback), ("chronyd -Q", chronyd), ("ntpdig -p 4", ntpdig)]


def microseconds(value):
    return f"{value * 1e6:,.0f}"


def scene(name, told):
    words = [sys.executable, "tests/lab/server.py", SERVER] + [f"{key}={value}" for key, value in told.items()]
    server = subprocess.Popen(words)
    time.sleep(0.3)
    truth = told.get("offset", 0.0)
    errors, held, failed = ({tool: [] for tool, _ in TOOLS} for _ in range(3))
    try:
        for _ in range(int(ROUNDS)):
            for tool, ask in TOOLS:
                answer = ask()
                if not answer:
                    failed[tool].append(1)
                    continue
                offset, bound = answer
                errors[tool].append(offset - truth)
                if bound is not None:
                    # What the bound promises: the clock is not further off than that.
                    held[tool].append(abs(truth) <= bound and abs(offset - truth) <= bound - abs(offset))
    finally:
        server.kill()
    for tool, _ in TOOLS:
        row(name, tool, errors[tool], held[tool], len(failed[tool]))


def row(name, tool, errors, held, failed):
    if not errors:
        print(f"| {name} | {tool} | - | - | - | - | {failed} |", flush=True)
        return
    sizes = [abs(error) for error in errors]
    inside = f"{sum(held)} of {len(held)}" if held else ""
    print(f"| {name} | {tool} | {microseconds(statistics.median(sizes))} | {microseconds(max(sizes))} | {microseconds(statistics.pstdev(errors))} | {inside} | {failed} |", flush=True)


subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
print("| server | tool | median error, µs | worst error, µs | spread, µs | truth inside the bound | no answer |")
print("| --- | --- | --: | --: | --: | --: | --: |")
for name, told in SCENES:
    scene(name, told)
os.rmdir(FOLDER)
