#: question in from 10.10.10.2: stopped drop
#: question out to 10.10.10.2: stopped drop
systemctl start firewalld; while ! firewall-cmd --state >/dev/null 2>&1; do sleep 0.2; done
firewall-cmd -q --add-service=ntp; firewall-cmd -q --panic-on
