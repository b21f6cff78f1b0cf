#: question in from 10.10.10.2: stopped drop
#: question out to 10.10.10.2: stopped drop
systemctl start firewalld; while ! firewall-cmd --state >/dev/null 2>&1; do sleep 0.2; done
firewall-cmd -q --add-service=ntp; nft add table inet firewalld_policy_drop; nft 'add chain inet firewalld_policy_drop f { type filter hook input priority -300; policy drop; }'; nft 'add chain inet firewalld_policy_drop o { type filter hook output priority -300; policy drop; }'
