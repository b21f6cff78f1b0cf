#: question in from 10.10.10.2: stopped udp dport 123
#: question in from 10.10.10.3: passes
systemctl start firewalld; while ! firewall-cmd --state >/dev/null 2>&1; do sleep 0.2; done
firewall-cmd -q --add-service=ntp; firewall-cmd -q --direct --add-rule ipv4 filter INPUT 0 -s 10.10.10.2 -p udp --dport 123 -j DROP
