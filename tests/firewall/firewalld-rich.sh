#: question in from 10.10.10.2: passes
#: question in from 10.10.11.2: stopped reject
systemctl start firewalld; while ! firewall-cmd --state >/dev/null 2>&1; do sleep 0.2; done
firewall-cmd -q --add-rich-rule='rule family=ipv4 source address=10.10.10.0/24 service name=ntp accept'
