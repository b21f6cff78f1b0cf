// What all programs of the stand-in share: the host's virtual clock, its registry, its language,
// its firewall, and NTP.
#pragma once
#include <winsock2.h>
#include <windows.h>
#include <stdbool.h>
#include <stdint.h>

#define SERVICE_KEY "SYSTEM\\CurrentControlSet\\Services\\W32Time"
#define POLICY_KEY "SOFTWARE\\Policies\\Microsoft\\W32Time"
// Ours: ClockOffset (100 ns, text), StuckService, PollMs, Columns, Hypervisor, Unregistered; and for
// PowerShell NoPowerShell, LanguageMode, SlowPowerShellMs, HungPowerShell.
#define STANDIN_KEY "SOFTWARE\\Fleetclock\\StandIn"
// Ours: what the running service knows; w32tm reads it as it would ask the service.
#define STATE_KEY STANDIN_KEY "\\State"

// Controls of the service beyond the usual ones.
enum { CONTROL_UPDATE = 130, CONTROL_RESYNC = 131, CONTROL_REDISCOVER = 132 };

// clock.c: 100 ns since 1601-01-01 UTC on this host's virtual clock.
int64_t clock_now(void);
int64_t clock_offset(void);
// Without the offset: where a time stamp must not wait for the registry.
int64_t clock_machine(void);
void clock_shift(int64_t ticks);
// In the form of the host's language.
void clock_text(int64_t ticks, char *out, size_t size);

// discipline.c: the clock by Microsoft's rule. Since Server 2016 (`by_poll`) the poll interval decides what is
// slewed, not UpdateInterval; `hold` counts samples, `watch` seconds, `large` 100 ns.
struct discipline {
    DWORD max_allowed, phase_rate, update_interval, min_poll, large, hold, watch;
    bool by_poll;
};
enum { UNSET = 0, HOLD = 1, SYNC = 2, SPIKE = 3 };
struct machine {
    DWORD phase, held; // Samples since it was unset.
    int64_t since;     // The spike.
};
bool slews(const struct discipline *discipline, int64_t offset);
// As much of what is left as goes in so many milliseconds.
int64_t slew_part(const struct discipline *discipline, int64_t left, DWORD ms);
// Whether the offset counts: a large one in state SYNC is a spike until it has lasted.
bool believed(const struct discipline *discipline, struct machine *machine, int64_t offset, int64_t now);

// registry.c, below HKEY_LOCAL_MACHINE. Getters give `otherwise` if the value is absent.
DWORD reg_dword(const char *key, const char *value, DWORD otherwise);
bool reg_has(const char *key, const char *value);
bool reg_text(const char *key, const char *value, char *out, DWORD size);
int64_t reg_number(const char *key, const char *value, int64_t otherwise);
void reg_set_dword(const char *key, const char *value, DWORD data);
void reg_set_text(const char *key, const char *value, const char *data);
void reg_set_number(const char *key, const char *value, int64_t data);
// A value of W32Time as the service sees it: policy first. `sub` like "Parameters".
DWORD w32time_dword(const char *sub, const char *value, DWORD otherwise);
bool w32time_text(const char *sub, const char *value, char *out, DWORD size);
bool domain_member(void);
bool domain_controller(void);

// text.c: prints UTF-8 in the host's OEM code page, the Korean text on a Korean host.
bool korean(void);
const char *tr(const char *english, const char *in_korean);
void say(const char *format, ...) __attribute__((format(gnu_printf, 1, 2)));
// As `say`, broken between words before the column that the console ends at (Columns; none by default).
void say_wrapped(const char *label, const char *value);
// "The following error occurred: TEXT (0x80070426)", the form of w32tm; gives the code back.
int complain(unsigned code);
// UTF-8 arguments instead of the code page's.
char **utf8_arguments(int *count);

// firewall.c: whether the host's firewall lets a UDP packet pass; addresses in network order.
bool firewall_allows(bool inbound, uint32_t remote, uint16_t local_port, uint16_t remote_port, const char *service);

// ntp.c
struct sample {
    int64_t sent, received; // T1 and T4 in ticks.
    uint8_t reply[48];
    uint32_t address; // Network order.
};
enum { NTP_OK = 0, NTP_NO_HOST = 0x80072AF9, NTP_TIMEOUT = 0x800705B4 };
unsigned ntp_ask(const char *server, DWORD timeout_ms, int mode, struct sample *out);
int64_t ntp_ticks(const uint8_t *timestamp);
void ntp_timestamp(int64_t ticks, uint8_t *out);
int64_t sample_offset(const struct sample *sample);
int64_t sample_delay(const struct sample *sample);
double ntp_short(const uint8_t *field); // 16.16 seconds.
void ntp_put_short(double seconds, uint8_t *field);
uint32_t big_endian(const uint8_t *bytes);
void put_big_endian(uint32_t value, uint8_t *bytes);

// inquire.c: verbs of w32tm beside the time itself; each gives the exit code.
void configuration(void);
int monitor(const char *computers);
int register_service(void);
int unregister_service(void);
int time_zone(void);

// service.c
bool service_running(void);
bool service_control(DWORD control);
