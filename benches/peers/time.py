# What fleetclock checks, as a pyinfra deploy: package, configuration, what else keeps time, service, firewall.
from io import StringIO

from pyinfra import host
from pyinfra.facts.server import Command
from pyinfra.operations import apt, files, server, systemd

MASTER = host.name == "10.10.10.1"
SOURCES = "local stratum 10 orphan\nallow 10.10.10.0/24\n" if MASTER else "server 10.10.10.1 iburst\n"
RULE = 'rule family="ipv4" source address="10.10.10.0/24" service name="ntp" accept'

apt.packages(packages=["chrony"], _sudo=True)
files.put(
    src=StringIO(SOURCES + "makestep 1 3\ndriftfile /var/lib/chrony/chrony.drift\nlogdir /var/log/chrony\nrtcsync\n"),
    dest="/etc/chrony/chrony.conf",
    mode="644",
    user="root",
    group="root",
    _sudo=True,
)
for name in ["systemd-timesyncd", "ntp", "ntpsec", "openntpd"]:
    systemd.service(service=f"{name}.service", running=False, enabled=False, _sudo=True)
systemd.service(service="chrony.service", running=True, enabled=True, _sudo=True)
if MASTER:
    for where in ["", "--permanent "]:
        rules = host.get_fact(Command, f"firewall-cmd {where}--list-rich-rules", _sudo=True)
        if RULE not in (rules or ""):
            server.shell([f"firewall-cmd {where}--add-rich-rule='{RULE}'"], _sudo=True)
