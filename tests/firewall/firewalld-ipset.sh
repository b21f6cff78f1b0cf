#: question in from 10.10.10.2: passes
#: question in from 10.10.10.3: stopped reject
systemctl start firewalld; while ! firewall-cmd --state >/dev/null 2>&1; do sleep 0.2; done
firewall-cmd -q --permanent --new-ipset=lan --type=hash:net; firewall-cmd -q --permanent --ipset=lan --add-entry=10.10.10.2; firewall-cmd -q --permanent --zone=work --add-source=ipset:lan; firewall-cmd -q --permanent --zone=work --add-service=ntp; firewall-cmd -q --reload
