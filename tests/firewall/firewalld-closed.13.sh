#: question in from 10.10.10.2: stopped reject with icmpx
#: answer in from 10.10.10.2: passes
#: question out to 10.10.10.2: passes
systemctl start firewalld; while ! firewall-cmd --state >/dev/null 2>&1; do sleep 0.2; done
:
