#: question in from 10.10.10.2: stopped ufw-user-input
#: question in from 10.10.10.3: passes
ufw --force reset >/dev/null
ufw allow 22/tcp; ufw deny from 10.10.10.2 to any port 123 proto udp; ufw allow 123/udp
ufw --force enable
