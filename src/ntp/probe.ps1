# The NTP probe of a Windows host: asks, and prints what it saw; the arithmetic is done where the
# other probes have it. Language of PowerShell 2.0 (Windows 2008 R2), .NET 2.0, no double quotes,
# no per cent signs: it travels as one argument of a command line. Times are 100 ns since 1601.
# The first line says what PowerShell lets a script do, the last that this one came to its end: in
# ConstrainedLanguage (AppLocker, WDAC) each call of .NET is an error, and the next line is run.
'ntp mode ' + $ExecutionContext.SessionState.LanguageMode;
$servers = @(@SERVERS@);
$samples = @SAMPLES@;
$tries = @TRIES@;
$timeout = @TIMEOUT@;
# The system clock shows steps of 16 ms to .NET: take it at the edge of a step and count on from
# there. The edge lies between two looks.
$w = [Diagnostics.Stopwatch]::StartNew();
$z = [DateTime]::UtcNow;
do { $k = $w.Elapsed.Ticks; $n = [DateTime]::UtcNow } while ($n -eq $z);
$o = $w.Elapsed.Ticks;
$z = $n.ToFileTimeUtc() - $o;
'ntp clock ' + ($o - $k);
function fail($x, $c) { 'ntp ' + $x.s + ' ' + $x.a + ' - ' + $x.f + ' error ' + $c };
function cause($e) { $c = $e.Exception; while ($c.InnerException) { $c = $c.InnerException }; $c.ErrorCode };
$r = New-Object Random;
$all = @();
foreach ($s in $servers) {
$l = @();
try { $l = @([Net.Dns]::GetHostAddresses($s)) } catch { 'ntp ' + $s + ' - - 0 error ' + (cause $_) };
foreach ($a in $l) { $all += @{ s = $s; a = $a; good = 0; bad = 0; done = $false } }
};
# All servers side by side, two seconds between two questions to one: they may limit the rate.
for ($i = 0; $i -lt $tries; $i++) {
$open = @($all | Where-Object { -not $_.done });
if ($open.Count -eq 0) { break };
if ($i -gt 0) { $h = 2050 - ($w.ElapsedMilliseconds - $g); if ($h -gt 0) { Start-Sleep -Milliseconds $h } };
foreach ($x in $open) {
$x.t = New-Object byte[] 8;
$r.NextBytes($x.t);
$q = New-Object byte[] 48;
$x.t.CopyTo($q, 40);
$q[0] = 35;
$x.f = $z + $w.Elapsed.Ticks;
$x.u = New-Object Net.Sockets.UdpClient $x.a.AddressFamily;
try {
$x.u.Connect($x.a, 123);
$x.f = $z + $w.Elapsed.Ticks;
[void]$x.u.Send($q, 48)
} catch { fail $x (cause $_); $x.done = $true; $x.u.Close() }
};
$g = $w.ElapsedMilliseconds;
$wait = @($open | Where-Object { -not $_.done });
while ($wait.Count -gt 0) {
$h = $timeout - ($w.ElapsedMilliseconds - $g);
if ($h -le 0) { break };
$y = New-Object Collections.ArrayList;
foreach ($x in $wait) { [void]$y.Add($x.u.Client) };
[Net.Sockets.Socket]::Select($y, $null, $null, $h * 1000);
$b = $z + $w.Elapsed.Ticks;
foreach ($x in @($wait | Where-Object { $y.Contains($_.u.Client) })) {
$e = New-Object Net.IPEndPoint $x.a, 0;
try {
$d = $x.u.Receive([ref]$e);
'ntp ' + $x.s + ' ' + $x.a + ' ' + [BitConverter]::ToString($x.t) + ' ' + $x.f + ' ' + [BitConverter]::ToString($d) + ' ' + $b;
if ($d.Length -ge 48 -and [BitConverter]::ToString($d, 24, 8) -eq [BitConverter]::ToString($x.t)) {
if ($d[1] -gt 0 -and $d[1] -lt 16 -and $d[0] -lt 192) { $x.good++ } else { $x.bad++ };
$v = [Text.Encoding]::ASCII.GetString($d, 12, 4);
$x.done = $x.good -ge $samples -or ($x.good -eq 0 -and $x.bad -ge 2) -or ($d[1] -eq 0 -and ($v -like 'X*' -or @('DENY', 'RSTR', 'RATE') -contains $v))
};
} catch { fail $x (cause $_); $x.done = $true };
$x.u.Close();
$x.u = $null
};
$wait = @($wait | Where-Object { $_.u })
};
foreach ($x in $wait) { fail $x 10060; $x.u.Close() }
};
'ntp end'
