//! What `doctor` shows.

use fleetclock::model::{Status, Verb};

use crate::build::{error, finding, fleet, host};
use crate::shows;

#[test]
fn a_finding_stands_once_with_those_who_suffer_from_it() {
    let mut server1 = host("server1", Status::OutOfLimits);
    server1.findings = vec![finding()];
    server1.error = Some(error("FC040", None));
    let mut server2 = host("server2", Status::OutOfLimits);
    server2.error = Some(error("FC040 on server1", None));
    let server3 = host("server3", Status::Unchanged);
    shows(
        &fleet(Verb::Doctor, vec![server1, server2, server3]),
        "\
server1: FC040 error: The firewall of the server is closed
  cause    firewalld zone `public` of server1 does not let NTP in.
  fix      fleetclock apply -l server1
  seen     zone public has no ntp; server2 got: timeout
  by       firewall-cmd --zone=public --list-all (on server1)
  affects  server2, server3
  not      a host that is down: server1 answered our login

1 host well: server3

server1 | not well: FC040
server2 | not well: FC040 on server1

3 hosts: 1 well, 2 not well (2.1 s)
",
    );
}
