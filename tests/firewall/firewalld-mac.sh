#: question in from 10.10.10.2: maybe ether saddr
systemctl start firewalld; while ! firewall-cmd --state >/dev/null 2>&1; do sleep 0.2; done
firewall-cmd -q --zone=work --add-source=00:11:22:33:44:55; firewall-cmd -q --zone=work --add-service=ntp
