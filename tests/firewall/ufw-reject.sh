#: question in from 10.10.10.2: stopped reject
ufw --force reset >/dev/null
ufw allow 22/tcp; ufw default reject incoming
ufw --force enable
