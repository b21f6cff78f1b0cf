#: question in from 10.10.10.2: passes
#: question in from 10.10.10.3: stopped reject
systemctl start firewalld; while ! firewall-cmd --state >/dev/null 2>&1; do sleep 0.2; done
firewall-cmd -q --zone=trusted --add-source=10.10.10.2
