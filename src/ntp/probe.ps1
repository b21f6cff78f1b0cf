# The NTP probe of a Windows host: asks, and prints what it saw; the arithmetic is done where the
# other probes have it. Language of PowerShell 2.0 (Windows 2008 R2), .NET 2.0, no double quotes,
# no per cent signs: it travels as one argument of a command line. Times are 100 ns since 1601.
$servers = @(@SERVERS@);
$samples = @SAMPLES@;
$timeout = @TIMEOUT@;
# The system clock shows steps of 16 ms to .NET: take it at the edge of a step and count on from there.
$z = [DateTime]::UtcNow;
do { $n = [DateTime]::UtcNow } while ($n -eq $z);
$w = [Diagnostics.Stopwatch]::StartNew();
$z = $n.ToFileTimeUtc();
$r = New-Object Random;
foreach ($s in $servers) {
$l = @();
try { $l = @([Net.Dns]::GetHostAddresses($s)) } catch { };
if ($l.Count -eq 0) { 'ntp ' + $s + ' - - 0 error 11001' };
foreach ($a in $l) {
$silent = 0;
for ($i = 0; $i -lt $samples -and $silent -lt 2; $i++) {
$q = New-Object byte[] 48;
$t = New-Object byte[] 8;
$r.NextBytes($t);
$t.CopyTo($q, 40);
$q[0] = 35;
$f = $z + $w.Elapsed.Ticks;
$u = New-Object Net.Sockets.UdpClient $a.AddressFamily;
try {
$u.Client.ReceiveTimeout = $timeout;
$u.Connect($a, 123);
$e = New-Object Net.IPEndPoint $a, 0;
$f = $z + $w.Elapsed.Ticks;
[void]$u.Send($q, 48);
$d = $u.Receive([ref]$e);
$b = $z + $w.Elapsed.Ticks;
'ntp ' + $s + ' ' + $a + ' ' + [BitConverter]::ToString($t) + ' ' + $f + ' ' + [BitConverter]::ToString($d) + ' ' + $b
} catch {
$c = $_.Exception;
while ($c.InnerException) { $c = $c.InnerException };
$silent++;
'ntp ' + $s + ' ' + $a + ' - ' + $f + ' error ' + $c.ErrorCode
};
$u.Close()
}
}
}
