#: question in from 10.10.10.2: stopped policy
#: question in from 10.10.10.3: passes
systemctl start firewalld; while ! firewall-cmd --state >/dev/null 2>&1; do sleep 0.2; done
firewall-cmd -q --permanent --zone=internal --add-source=10.10.10.2; firewall-cmd -q --permanent --zone=internal --add-service=ntp; firewall-cmd -q --permanent --zone=public --add-service=ntp; firewall-cmd -q --permanent --new-policy=noise; firewall-cmd -q --permanent --policy=noise --add-ingress-zone=internal; firewall-cmd -q --permanent --policy=noise --add-egress-zone=HOST; firewall-cmd -q --permanent --policy=noise --add-rich-rule='rule family=ipv4 port port=123 protocol=udp drop'; firewall-cmd -q --reload
