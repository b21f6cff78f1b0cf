// powershell.exe: no PowerShell. It says what time it is, in the words of fleetclock's question, and runs the one
// script that fleetclock sends, its NTP probe, by
// finding the lines that give the probe its parameters and doing the exchange itself:
//     $servers = @('a','b')      $samples = 1      $tries = 3      $timeout = 1000
// and prints the lines that the script would: the language mode, the grain of its clock; then ntp, server, address, token, T1, the 48 bytes of the
// answer, T4 (100 ns since 1601; bytes as BitConverter prints them), or the number of a socket error
// in place of an answer; at last that it has come to its end. Any other script is refused.
#include "host.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wincrypt.h>

static char script[1 << 20];

static int refuse(const char *text) {
    fprintf(stderr, "powershell of the stand-in: %s\n", text);
    return 1;
}

static void decode(const char *base64) {
    static WCHAR wide[sizeof script / 2];
    DWORD size = sizeof wide - sizeof *wide;
    if (!CryptStringToBinaryA(base64, 0, CRYPT_STRING_BASE64, (BYTE *)wide, &size, NULL, NULL)) return;
    wide[size / sizeof *wide] = 0;
    WideCharToMultiByte(CP_UTF8, 0, wide, -1, script, sizeof script, NULL, NULL);
}

// An option may be cut short as long as it is clear, as in the real program.
static bool is(const char *argument, const char *option, size_t least) {
    size_t length = strlen(argument);
    return length >= least && !_strnicmp(argument, option, length);
}

static void read_script(int count, char **arguments) {
    for (int i = 1; i < count; i++) {
        bool last = i + 1 == count;
        if (!last && (is(arguments[i], "-EncodedCommand", 2) || !_stricmp(arguments[i], "-enc")))
            decode(arguments[i + 1]);
        else if (!last && is(arguments[i], "-Command", 2)) {
            if (!strcmp(arguments[i + 1], "-"))
                script[fread(script, 1, sizeof script - 1, stdin)] = 0;
            else
                for (int j = i + 1; j < count; j++)
                    snprintf(script + strlen(script), sizeof script - strlen(script), "%s ", arguments[j]);
        } else
            continue;
        return;
    }
}

// What stands behind `$name =` at the start of a line or behind a semicolon.
static const char *parameter(const char *name) {
    for (const char *at = script; (at = strstr(at, name)); at++) {
        const char *value = at + strlen(name);
        while (*value == ' ')
            value++;
        bool begins = at == script || strchr("\r\n; ", at[-1]);
        if (begins && *value == '=') return value + 1 + strspn(value + 1, " ");
    }
    return NULL;
}

static void print_bytes(const uint8_t *bytes, int count) {
    for (int i = 0; i < count; i++)
        printf(i ? "-%02X" : "%02X", bytes[i]);
}

// As the script: until there are enough answers with time, two without, or no more tries; two seconds
// between two questions.
static void probe(const char *server, int samples, int tries, DWORD timeout_ms) {
    for (int i = 0, good = 0, bad = 0; i < tries && good < samples && (good || bad < 2); i++) {
        struct sample sample;
        if (i) Sleep(2050);
        unsigned status = ntp_ask(server, timeout_ms, 3, &sample);
        if (status == NTP_NO_HOST) {
            printf("ntp %s - - 0 error 11001\n", server);
            return;
        }
        struct in_addr address = {.s_addr = sample.address};
        printf("ntp %s %s ", server, inet_ntoa(address));
        if (status) {
            printf("- %lld error 10060\n", (long long)sample.sent);
            continue;
        }
        if (sample.reply[1] && sample.reply[1] < 16 && sample.reply[0] < 192)
            good++;
        else
            bad++;
        print_bytes(sample.reply + 24, 8);
        printf(" %lld ", (long long)sample.sent);
        print_bytes(sample.reply, 48);
        printf(" %lld\n", (long long)sample.received);
    }
}

// @('a','b'): each text in quotes is a server.
static void probe_all(const char *list, int samples, int tries, DWORD timeout_ms) {
    const char *end = list + strcspn(list, ")\n");
    for (const char *at = list; at < end;) {
        char server[256];
        const char *open = memchr(at, '\'', end - at), *close = open ? memchr(open + 1, '\'', end - open - 1) : NULL;
        if (!close) return;
        snprintf(server, sizeof server, "%.*s", (int)(close - open - 1), open + 1);
        probe(server, samples, tries, timeout_ms);
        at = close + 1;
    }
}

// In ConstrainedLanguage (AppLocker, WDAC) and below, a script may not call .NET: each such line is an error, and
// PowerShell goes on with the next. What core types do is done.
static void constrained(const char *mode) {
    const char *end = strstr(script, "'ntp end'");
    printf("ntp mode %s\n", mode);
    fprintf(stderr, "Cannot invoke method. Method invocation is supported only on core types in this language mode.\n"
                    "    + FullyQualifiedErrorId : MethodInvocationNotSupportedInConstrainedLanguage\n");
    puts("ntp clock 0");
    if (end) puts("ntp end");
}

int main(void) {
    int count;
    char mode[64];
    char **arguments = utf8_arguments(&count);
    if (reg_dword(STANDIN_KEY, "NoPowerShell", 0))
        return refuse(
            "This program is blocked by group policy. For more information, contact your system administrator.");
    // An agent that looks at each program first; and one that never lets go, or a console that is waited for.
    Sleep(reg_dword(STANDIN_KEY, "SlowPowerShellMs", 0));
    if (reg_dword(STANDIN_KEY, "HungPowerShell", 0)) Sleep(INFINITE);
    read_script(count, arguments);
    // The other script: what time it is, which each language mode lets be asked.
    if (strstr(script, "'fc clock ' + [DateTime]::UtcNow.ToFileTimeUtc()")) {
        printf("fc clock %lld\n", (long long)clock_now());
        return 0;
    }
    const char *servers = parameter("$servers"), *samples = parameter("$samples"), *tries = parameter("$tries"), *timeout = parameter("$timeout");
    if (!servers || !samples || !tries || !timeout) return refuse("only the probe script of fleetclock is understood");
    if (reg_text(STANDIN_KEY, "LanguageMode", mode, sizeof mode) && strcmp(mode, "FullLanguage")) {
        constrained(mode);
        return 0;
    }
    if (strstr(script, "LanguageMode")) puts("ntp mode FullLanguage");
    // Of the script's clock; this one reads finer.
    puts("ntp clock 40");
    probe_all(servers, atoi(samples), atoi(tries), atoi(timeout));
    if (strstr(script, "'ntp end'")) puts("ntp end");
    return 0;
}
