#: question in from 10.10.10.2: stopped policy drop
#: answer in from 10.10.10.2: passes
#: question out to 10.10.10.2: passes
#: answer out to 10.10.10.2: passes
#: question in from 2001:db8::2: stopped policy drop
ufw --force reset >/dev/null
ufw allow 22/tcp
ufw --force enable
