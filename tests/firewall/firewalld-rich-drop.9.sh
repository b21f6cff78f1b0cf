#: question in from 10.10.10.2: stopped drop
#: question in from 10.10.10.3: passes
systemctl start firewalld; while ! firewall-cmd --state >/dev/null 2>&1; do sleep 0.2; done
firewall-cmd -q --add-service=ntp; firewall-cmd -q --add-rich-rule='rule family=ipv4 source address=10.10.10.2 drop'
