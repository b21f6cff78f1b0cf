// fcw32time.exe: the Windows Time service. Its configuration is the registry's, read when it starts
// and when it is told of changes; whether it serves is read at the start only, as on Windows.
// It answers NTP on udp/123 and polls its sources; the clock it corrects is the virtual one.
#include "host.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TICKS 10000000LL
#define NEVER 0xffffffffu
// How often the clock is slewed.
#define SLEW_MS 200
#define MAX_DISTANCE_S 16.0
// The clock filter of RFC 5905 (appendix A.5.2): so many stages, each counts MAXDISP while it is empty,
// the first of them half, the next a quarter, and so on.
#define STAGES 8
#define MAX_DISPERSION_S 16.0
// Of so many exchanges, the one with the least delay counts.
#define SAMPLES 4
// After so many polls without an answer the source is lost.
#define LOST 8
// What is not asked again for so long is stale, 100 ns: the service looks once in 64 s.
#define STALE (64 * TICKS)

// The results of MS-W32T 3.2.5.1.
enum result { SYNCHRONISED = 0, NO_TIME = 1, STALE_TIME = 2, TOO_BIG = 3 };
enum { SPECIAL_INTERVAL = 1, FALLBACK = 2, CLIENT = 8 };
enum { ALWAYS_RELIABLE = 4, AUTO_RELIABLE = 8 };

static struct config {
    char servers[1024], type[16];
    bool client;
    DWORD announce, min_poll, special_poll, max_positive, max_negative, local_dispersion;
    struct discipline discipline;
    int precision;
    bool hypervisor; // A clock that the hypervisor hands in.
} config;

static struct state {
    bool synchronised;
    int leap, stratum;
    uint32_t reference; // Network order.
    double root_delay, root_dispersion;
    int64_t last_sync;
    char source[256];
    int samples; // In the filter of that source.
    int unheard; // Polls since it was heard.
    struct machine machine;
} state;

static CRITICAL_SECTION guard;
static SERVICE_STATUS_HANDLE handle;
static HANDLE stop, update, resync, rediscover;

// --- configuration

static void read_config(void) {
    char build[16];
    reg_text("SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion", "CurrentBuildNumber", build, sizeof build);
    EnterCriticalSection(&guard);
    w32time_text("Parameters", "NtpServer", config.servers, sizeof config.servers);
    w32time_text("Parameters", "Type", config.type, sizeof config.type);
    config.client = w32time_dword("TimeProviders\\NtpClient", "Enabled", 1);
    config.announce = w32time_dword("Config", "AnnounceFlags", 10);
    config.min_poll = w32time_dword("Config", "MinPollInterval", 10);
    config.special_poll = w32time_dword("TimeProviders\\NtpClient", "SpecialPollInterval", 3600);
    config.max_positive = w32time_dword("Config", "MaxPosPhaseCorrection", 54000);
    config.max_negative = w32time_dword("Config", "MaxNegPhaseCorrection", 54000);
    config.local_dispersion = w32time_dword("Config", "LocalClockDispersion", 10);
    config.discipline = (struct discipline){
        .max_allowed = w32time_dword("Config", "MaxAllowedPhaseOffset", 300),
        .phase_rate = w32time_dword("Config", "PhaseCorrectRate", domain_member() ? 1 : 7),
        .update_interval = w32time_dword("Config", "UpdateInterval", domain_member() ? 30000 : 360000),
        .min_poll = config.min_poll,
        .large = w32time_dword("Config", "LargePhaseOffset", 50000000),
        .hold = w32time_dword("Config", "HoldPeriod", 5),
        .watch = w32time_dword("Config", "SpikeWatchPeriod", 900),
        .by_poll = atoi(build) >= 14393,
    };
    config.hypervisor = reg_dword(STANDIN_KEY, "Hypervisor", 0) &&
                        w32time_dword("TimeProviders\\VMICTimeProvider", "Enabled", 0);
    config.precision = atoi(build) >= 14393 ? -23 : -6;
    LeaveCriticalSection(&guard);
    reg_set_text(STATE_KEY, "Servers", config.servers);
    reg_set_text(STATE_KEY, "Type", config.type);
}

// Whether this host is a source although nobody tells it the time.
static bool reliable(void) {
    return config.announce & ALWAYS_RELIABLE || (config.announce & AUTO_RELIABLE && domain_controller());
}

// --- what w32tm is told

static void publish(const char *source, int64_t phase_offset) {
    bool local = !state.synchronised && reliable();
    reg_set_text(STATE_KEY, "Source", source);
    reg_set_dword(STATE_KEY, "Synchronised", state.synchronised);
    reg_set_dword(STATE_KEY, "Leap", state.synchronised ? state.leap : local ? 0 : 3);
    reg_set_dword(STATE_KEY, "Stratum", state.synchronised ? state.stratum : local ? 1 : 0);
    reg_set_dword(STATE_KEY, "RefId", state.synchronised ? ntohl(state.reference) : local ? 0x4c4f434c : 0);
    reg_set_dword(STATE_KEY, "RootDelayUs", (DWORD)(state.root_delay * 1e6));
    reg_set_dword(STATE_KEY, "RootDispersionUs",
                  (DWORD)((local ? config.local_dispersion : state.root_dispersion) * 1e6));
    reg_set_number(STATE_KEY, "LastSync", state.last_sync);
    reg_set_number(STATE_KEY, "PhaseOffset", phase_offset);
    reg_set_dword(STATE_KEY, "MinPoll", config.min_poll);
    reg_set_dword(STATE_KEY, "Precision", (DWORD)config.precision);
    reg_set_dword(STATE_KEY, "Machine", state.machine.phase);
}

// --- client

static bool usable(const struct sample *s) {
    int leap = s->reply[0] >> 6, mode = s->reply[0] & 7, stratum = s->reply[1];
    double distance = ntp_short(s->reply + 4) / 2 + ntp_short(s->reply + 8);
    return leap != 3 && (mode == 4 || mode == 2) && stratum >= 1 && stratum <= 14 && distance <= MAX_DISTANCE_S;
}

// Beyond these limits Windows logs an event and leaves the clock alone.
static bool too_big(int64_t offset) {
    DWORD limit = offset > 0 ? config.max_positive : config.max_negative;
    return limit != NEVER && llabs(offset) > (int64_t)limit * TICKS;
}

// 7.9 s after the first sample, and half of it after each further one.
static double filter_dispersion(void) { return MAX_DISPERSION_S * (ldexp(1, -state.samples) - ldexp(1, -STAGES)); }

static int64_t slew_left;

// What is left of an offset shrinks by the same part in each tick of the clock.
static void slew_on(void) {
    EnterCriticalSection(&guard);
    int64_t part = slew_part(&config.discipline, slew_left, SLEW_MS);
    slew_left -= part;
    LeaveCriticalSection(&guard);
    if (part) clock_shift(part);
}

// A source with a long interval of its own is not asked meanwhile, and its time gets old.
static void grow_stale(void) {
    EnterCriticalSection(&guard);
    const char *flags = strrchr(state.source, ',');
    bool stale = state.synchronised && flags && strtol(flags + 1, NULL, 0) & SPECIAL_INTERVAL &&
                 clock_now() - state.last_sync > STALE;
    LeaveCriticalSection(&guard);
    if (stale) reg_set_dword(STATE_KEY, "LastError", STALE_TIME);
}

static DWORD WINAPI discipline(void *unused) {
    while (WaitForSingleObject(stop, SLEW_MS) == WAIT_TIMEOUT) {
        slew_on();
        grow_stale();
    }
    return 0;
}

static void correct(int64_t offset) {
    EnterCriticalSection(&guard);
    bool gradually = slews(&config.discipline, offset);
    slew_left = gradually ? offset : 0;
    LeaveCriticalSection(&guard);
    if (!gradually) clock_shift(offset);
}

// False if the time is taken for a spike and not believed yet.
static bool follow(const char *source, const struct sample *s) {
    int64_t offset = sample_offset(s);
    if (!believed(&config.discipline, &state.machine, offset, clock_machine())) {
        publish(state.source, offset);
        return false;
    }
    correct(offset);
    EnterCriticalSection(&guard);
    state.synchronised = true;
    state.leap = s->reply[0] >> 6;
    state.stratum = s->reply[1] + 1;
    state.reference = s->address;
    state.root_delay = ntp_short(s->reply + 4) + sample_delay(s) / 1e7;
    if (strcmp(state.source, source)) state.samples = 0;
    snprintf(state.source, sizeof state.source, "%s", source);
    if (state.samples < STAGES) state.samples++;
    state.root_dispersion = ntp_short(s->reply + 8) + filter_dispersion() + 0.01;
    state.last_sync = clock_now();
    LeaveCriticalSection(&guard);
    publish(source, offset);
    return true;
}

// The hypervisor's clock, which is the machine's own: believed before any server, good to 10 ms.
static enum result follow_hypervisor(void) {
    int64_t offset = -clock_offset();
    clock_shift(offset);
    EnterCriticalSection(&guard);
    state.synchronised = true;
    state.leap = 0;
    state.stratum = 4;
    memcpy(&state.reference, "VMTP", 4);
    strcpy(state.source, "VM IC Time Synchronization Provider");
    state.root_delay = 0.0000758;
    state.root_dispersion = 0.0100002;
    state.last_sync = clock_now();
    state.machine.phase = SYNC;
    LeaveCriticalSection(&guard);
    publish(state.source, offset);
    return SYNCHRONISED;
}

// Asks one entry `NAME[,FLAGS]` of the list. Without the client flag the request is symmetric active,
// which many servers do not answer: a real trap.
static enum result try_source(const char *entry, int flags) {
    char name[256];
    struct sample best, sample;
    int good = 0, mode = flags & CLIENT ? 3 : 1;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(entry, ","), entry);
    for (int i = 0; i < SAMPLES; i++) {
        if (ntp_ask(name, 1000, mode, &sample) || !usable(&sample)) break;
        if (!good++ || sample_delay(&sample) < sample_delay(&best)) best = sample;
    }
    if (!good) return NO_TIME;
    if (too_big(sample_offset(&best))) return TOO_BIG;
    return follow(entry, &best) ? SYNCHRONISED : STALE_TIME;
}

static int flags_of(const char *entry) {
    const char *comma = strchr(entry, ',');
    return comma ? strtol(comma + 1, NULL, 0) : 0;
}

static enum result try_all(bool fallback) {
    char list[1024], *rest = NULL;
    enum result worst = NO_TIME;
    strcpy(list, config.servers);
    for (char *entry = strtok_s(list, " \t", &rest); entry; entry = strtok_s(NULL, " \t", &rest)) {
        int flags = flags_of(entry);
        if (!(flags & FALLBACK) == fallback) continue;
        enum result result = try_source(entry, flags);
        if (result == SYNCHRONISED) return SYNCHRONISED;
        if (result != NO_TIME) worst = result;
    }
    return worst;
}

// NT5DS would ask the domain, which no lab has: there is no source then.
static bool has_sources(void) {
    return config.client && (!_stricmp(config.type, "NTP") || !_stricmp(config.type, "AllSync"));
}

static enum result ask_all(void) {
    if (config.hypervisor) return follow_hypervisor();
    if (!has_sources()) return NO_TIME;
    enum result result = try_all(false);
    return result == NO_TIME ? try_all(true) : result;
}

// A source that is silent for long is lost, and with it the right to vouch for the time.
static enum result poll(void) {
    bool had = state.synchronised;
    enum result result = ask_all();
    state.unheard = result == NO_TIME ? state.unheard + 1 : 0;
    if (state.unheard >= LOST) state.synchronised = false, state.machine = (struct machine){0};
    if (result == NO_TIME && state.synchronised) result = STALE_TIME;
    reg_set_dword(STATE_KEY, "LastError", result);
    if (!state.synchronised) publish(had || state.last_sync ? "Free-running System Clock" : "Local CMOS Clock", 0);
    return result;
}

// Ours: PollMs makes the time pass faster for the tests that want to see many polls.
static DWORD interval_ms(void) {
    DWORD ours = reg_dword(STANDIN_KEY, "PollMs", 0);
    if (ours) return ours;
    char list[1024], *rest = NULL;
    DWORD seconds = 1u << (config.min_poll < 17 ? config.min_poll : 17);
    strcpy(list, config.servers);
    for (char *entry = strtok_s(list, " \t", &rest); entry; entry = strtok_s(NULL, " \t", &rest))
        if (flags_of(entry) & SPECIAL_INTERVAL && config.special_poll < seconds) seconds = config.special_poll;
    return seconds * 1000;
}

static DWORD WINAPI client(void *unused) {
    HANDLE events[] = {stop, update, resync, rediscover};
    enum result result = poll();
    for (;;) {
        DWORD event = WaitForMultipleObjects(4, events, FALSE, interval_ms());
        if (event == WAIT_OBJECT_0) return 0;
        if (event == WAIT_OBJECT_0 + 1) {
            read_config();
            state.synchronised = state.synchronised && (has_sources() || config.hypervisor);
            reg_set_dword(STATE_KEY, "UpdateCount", reg_dword(STATE_KEY, "UpdateCount", 0) + 1);
        }
        // The sources are found anew, and their filters with them.
        if (event == WAIT_OBJECT_0 + 1 || event == WAIT_OBJECT_0 + 3) state.samples = 0;
        // Whoever asks for the time now means it: no spike is suspected.
        if (event != WAIT_TIMEOUT) state.machine = (struct machine){0};
        result = poll();
        if (event != WAIT_OBJECT_0 + 2 && event != WAIT_OBJECT_0 + 3) continue;
        reg_set_dword(STATE_KEY, "ResyncResult", result);
        reg_set_dword(STATE_KEY, "ResyncCount", reg_dword(STATE_KEY, "ResyncCount", 0) + 1);
    }
}

// --- server

static void answer(SOCKET s, const uint8_t *request, int64_t received, struct sockaddr_in *from) {
    uint8_t reply[48] = {0};
    int mode = request[0] & 7;
    if (mode != 3 && mode != 1) return;
    // Windows does not filter what a host sends to itself by its loopback address.
    bool itself = ntohl(from->sin_addr.s_addr) >> 24 == 127;
    if (!itself && !firewall_allows(true, from->sin_addr.s_addr, 123, ntohs(from->sin_port), "w32time")) return;
    int64_t offset = clock_offset();
    EnterCriticalSection(&guard);
    struct state now = state;
    LeaveCriticalSection(&guard);
    bool local = !now.synchronised && reliable();
    int leap = now.synchronised ? now.leap : local ? 0 : 3;
    reply[0] = (uint8_t)(leap << 6 | (request[0] & 0x38) | (mode == 3 ? 4 : 2));
    reply[1] = (uint8_t)(now.synchronised ? now.stratum : local ? 1 : 0);
    reply[2] = request[2];
    reply[3] = (uint8_t)config.precision;
    ntp_put_short(now.synchronised ? now.root_delay : 0, reply + 4);
    ntp_put_short(now.synchronised ? now.root_dispersion : config.local_dispersion, reply + 8);
    if (now.synchronised)
        memcpy(reply + 12, &now.reference, 4);
    else if (local)
        memcpy(reply + 12, "LOCL", 4);
    if (now.synchronised || local) ntp_timestamp(local ? received + offset : now.last_sync, reply + 16);
    memcpy(reply + 24, request + 40, 8);
    ntp_timestamp(received + offset, reply + 32);
    ntp_timestamp(clock_machine() + offset, reply + 40);
    sendto(s, (char *)reply, sizeof reply, 0, (struct sockaddr *)from, sizeof *from);
}

// The port is taken even if nothing is served, so that a request finds silence, not "unreachable".
static DWORD WINAPI server(void *enabled) {
    WSADATA data;
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(123)};
    DWORD wait_ms = 200;
    WSAStartup(MAKEWORD(2, 2), &data);
    SOCKET s = socket(AF_INET, SOCK_DGRAM, 0);
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, (char *)&wait_ms, sizeof wait_ms);
    if (bind(s, (struct sockaddr *)&any, sizeof any)) return 1;
    while (WaitForSingleObject(stop, 0) == WAIT_TIMEOUT) {
        uint8_t request[1024];
        struct sockaddr_in from;
        int size = sizeof from,
            count = recvfrom(s, (char *)request, sizeof request, 0, (struct sockaddr *)&from, &size);
        int64_t received = clock_machine();
        if (count >= 48 && enabled) answer(s, request, received, &from);
    }
    closesocket(s);
    return 0;
}

// --- the service

static void report(DWORD current) {
    SERVICE_STATUS status = {.dwServiceType = SERVICE_WIN32_OWN_PROCESS, .dwCurrentState = current};
    if (current == SERVICE_RUNNING) status.dwControlsAccepted = SERVICE_ACCEPT_STOP | SERVICE_ACCEPT_SHUTDOWN;
    if (current == SERVICE_STOP_PENDING) status.dwWaitHint = 3000;
    SetServiceStatus(handle, &status);
}

static DWORD WINAPI control(DWORD code, DWORD type, void *data, void *context) {
    switch (code) {
    case SERVICE_CONTROL_STOP:
    case SERVICE_CONTROL_SHUTDOWN:
        report(SERVICE_STOP_PENDING);
        if (!reg_dword(STANDIN_KEY, "StuckService", 0)) SetEvent(stop);
        return NO_ERROR;
    case CONTROL_UPDATE: SetEvent(update); return NO_ERROR;
    case CONTROL_RESYNC: SetEvent(resync); return NO_ERROR;
    case CONTROL_REDISCOVER: SetEvent(rediscover); return NO_ERROR;
    case SERVICE_CONTROL_INTERROGATE: return NO_ERROR;
    default: return ERROR_CALL_NOT_IMPLEMENTED;
    }
}

static void WINAPI service_main(DWORD count, WCHAR **arguments) {
    handle = RegisterServiceCtrlHandlerExW(L"w32time", control, NULL);
    report(SERVICE_START_PENDING);
    InitializeCriticalSection(&guard);
    stop = CreateEventA(NULL, TRUE, FALSE, NULL);
    update = CreateEventA(NULL, FALSE, FALSE, NULL);
    resync = CreateEventA(NULL, FALSE, FALSE, NULL);
    rediscover = CreateEventA(NULL, FALSE, FALSE, NULL);
    RegDeleteTreeA(HKEY_LOCAL_MACHINE, STATE_KEY);
    read_config();
    publish("Local CMOS Clock", 0);
    bool enabled = w32time_dword("TimeProviders\\NtpServer", "Enabled", 0);
    HANDLE threads[] = {CreateThread(NULL, 0, server, enabled ? &config : NULL, 0, NULL),
                        CreateThread(NULL, 0, client, NULL, 0, NULL), CreateThread(NULL, 0, discipline, NULL, 0, NULL)};
    report(SERVICE_RUNNING);
    WaitForMultipleObjects(3, threads, TRUE, INFINITE);
    report(SERVICE_STOPPED);
}

int main(void) {
    SERVICE_TABLE_ENTRYW table[] = {{L"w32time", service_main}, {NULL, NULL}};
    return !StartServiceCtrlDispatcherW(table);
}
