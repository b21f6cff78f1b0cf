#: question in from 10.10.10.2: maybe ufw
ufw --force reset >/dev/null
ufw allow 22/tcp; ufw limit 123/udp
ufw --force enable
