#: question out to 10.10.10.2: stopped policy drop
#: answer out to 10.10.10.2: passes
ufw --force reset >/dev/null
ufw allow 22/tcp; ufw default deny outgoing; ufw allow out 53
ufw --force enable
