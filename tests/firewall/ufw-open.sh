#: question in from 10.10.10.2: passes
#: question in from 10.10.11.2: stopped policy drop
#: question in from 10.10.8.0/22: maybe 10.10.10.0/24
ufw --force reset >/dev/null
ufw allow 22/tcp; ufw allow from 10.10.10.0/24 to any port 123 proto udp
ufw --force enable
