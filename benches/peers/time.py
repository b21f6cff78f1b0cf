# What fleetclock checks, as a pyinfra deploy.
from io import StringIO

from pyinfra.operations import apt, files, systemd

apt.packages(packages=["chrony"], _sudo=True)
files.put(
    src=StringIO("server 10.10.10.1 iburst\nmakestep 1 3\ndriftfile /var/lib/chrony/chrony.drift\nlogdir /var/log/chrony\nrtcsync\n"),
    dest="/etc/chrony/chrony.conf",
    mode="644",
    user="root",
    group="root",
    _sudo=True,
)
systemd.service(service="chrony.service", running=True, enabled=True, _sudo=True)
