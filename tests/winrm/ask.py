"""Asks a host for `ver` with pywinrm; prints the error if there is one. For the self test of faults.

`ask.py HOST PASSWORD [CA]`: with a CA, over HTTPS.
"""

import sys
import warnings

from winrm.protocol import Protocol

warnings.filterwarnings("ignore")
host, password, *ca = sys.argv[1:]
url = f"https://{host}:5986/wsman" if ca else f"http://{host}:5985/wsman"
client = Protocol(
    url, transport="ntlm", username="Administrator", password=password, message_encryption="auto" if ca else "always",
    ca_trust_path=ca[0] if ca else None, operation_timeout_sec=3, read_timeout_sec=5,
)
try:
    shell = client.open_shell()
    command = client.run_command(shell, "ver")
    out, _, code = client.get_command_output(shell, command)
    client.cleanup_command(shell, command)
    client.close_shell(shell)
except Exception as error:  # The kind of error is what the caller wants to see.
    sys.exit(f"{type(error).__name__}: {error}")
print(out.decode().strip(), code)
