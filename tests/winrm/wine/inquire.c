// Verbs of w32tm that do not touch the clock: what is set and where from, what others say, the registration
// of the service, the time zone.
#include "host.h"
#include <stdio.h>
#include <string.h>

// Ours: what /unregister puts aside and /register brings back. Windows writes its defaults instead.
#define ASIDE STANDIN_KEY "\\Unregistered"
#define NO_DOMAIN 0x8007054Bu
#define EXISTS 0x80070431u
#define NO_SERVICE 0x80070424u

static void dword(const char *sub, const char *name) {
    char policy[256], own[256];
    snprintf(policy, sizeof policy, POLICY_KEY "\\%s", sub);
    snprintf(own, sizeof own, SERVICE_KEY "\\%s", sub);
    bool ruled = reg_has(policy, name);
    if (ruled || reg_has(own, name))
        say("%s: %lu (%s)\n", name, w32time_dword(sub, name, 0), ruled ? tr("Policy", "정책") : tr("Local", "로컬"));
}

static void text(const char *sub, const char *name) {
    char policy[256], data[1024];
    snprintf(policy, sizeof policy, POLICY_KEY "\\%s", sub);
    if (w32time_text(sub, name, data, sizeof data))
        say("%s: %s (%s)\n", name, data, reg_has(policy, name) ? tr("Policy", "정책") : tr("Local", "로컬"));
}

static void provider(const char *name, const char *const *values) {
    char sub[128];
    snprintf(sub, sizeof sub, "TimeProviders\\%s", name);
    say("%s (%s)\n", name, tr("Local", "로컬"));
    text(sub, "DllName");
    for (; *values; values++)
        dword(sub, *values);
    if (strcmp(name, "NtpClient")) return;
    text("Parameters", "Type");
    text("Parameters", "NtpServer");
}

void configuration(void) {
    static const char *const config[] = {
        "EventLogFlags",     "AnnounceFlags",         "TimeJumpAuditOffset",   "MinPollInterval",
        "MaxPollInterval",   "MaxNegPhaseCorrection", "MaxPosPhaseCorrection", "MaxAllowedPhaseOffset",
        "FrequencyCorrectRate", "PollAdjustFactor",   "LargePhaseOffset",      "SpikeWatchPeriod",
        "LocalClockDispersion", "HoldPeriod",         "PhaseCorrectRate",      "UpdateInterval", NULL};
    static const char *const client[] = {"Enabled", "InputProvider", "CrossSiteSyncFlags",
        "AllowNonstandardModeCombinations", "ResolvePeerBackoffMinutes", "ResolvePeerBackoffMaxTimes",
        "CompatibilityFlags", "EventLogFlags", "LargeSampleSkew", "SpecialPollInterval", NULL};
    static const char *const server[] = {"Enabled", "InputProvider", "AllowNonstandardModeCombinations", NULL};
    static const char *const hypervisor[] = {"Enabled", "InputProvider", NULL};
    say(tr("[Configuration]\n\n", "[구성]\n\n"));
    for (const char *const *name = config; *name; name++)
        dword("Config", *name);
    say(tr("\n\n[TimeProviders]\n\n", "\n\n[시간 공급자]\n\n"));
    provider("NtpClient", client);
    say("\n");
    provider("NtpServer", server);
    say("\n");
    provider("VMICTimeProvider", hypervisor);
}

// Without a list it asks the domain, which no lab has.
int monitor(const char *computers) {
    char list[1024], *rest = NULL;
    if (!computers) {
        say(tr("GetDcList failed with error code: 0x%08X.\nExiting with error 0x%08X\n",
               "GetDcList 실패. 오류 코드: 0x%08X.\n종료 오류 0x%08X\n"), NO_DOMAIN, NO_DOMAIN);
        return (int)NO_DOMAIN;
    }
    snprintf(list, sizeof list, "%s", computers);
    for (char *name = strtok_s(list, ",", &rest); name; name = strtok_s(NULL, ",", &rest)) {
        struct sample sample;
        unsigned status = ntp_ask(name, 1000, 3, &sample);
        struct in_addr address = {.s_addr = sample.address};
        say("%s[%s:123]:\n", name, status == NTP_NO_HOST ? "error" : inet_ntoa(address));
        if (status) {
            say(tr("    NTP: error ERROR_TIMEOUT - no response from server in 1000ms\n",
                   "    NTP: 오류 ERROR_TIMEOUT - 1000ms 동안 서버에서 응답이 없음\n"));
            continue;
        }
        say(tr("    NTP: %+.7fs offset from local clock\n", "    NTP: %+.7fs 로컬 시계와의 오프셋\n"),
            sample_offset(&sample) / 1e7);
        say("        RefID: 0x%08X\n", big_endian(sample.reply + 12));
        say(tr("        Stratum: %d\n", "        계층: %d\n"), sample.reply[1]);
    }
    return 0;
}

static bool move_key(const char *from, const char *to) {
    HKEY old, new;
    if (RegOpenKeyExA(HKEY_LOCAL_MACHINE, from, 0, KEY_ALL_ACCESS, &old)) return false;
    RegCreateKeyExA(HKEY_LOCAL_MACHINE, to, 0, NULL, 0, KEY_ALL_ACCESS, NULL, &new, NULL);
    bool moved = !RegCopyTreeA(old, NULL, new);
    RegCloseKey(old);
    RegCloseKey(new);
    return moved && !RegDeleteTreeA(HKEY_LOCAL_MACHINE, from);
}

// The service manager has to forget it, and to know it anew.
int unregister_service(void) {
    SC_HANDLE manager = OpenSCManagerA(NULL, NULL, SC_MANAGER_ALL_ACCESS),
              service = OpenServiceA(manager, "w32time", SERVICE_ALL_ACCESS);
    if (!service) return complain(NO_SERVICE);
    SERVICE_STATUS status;
    ControlService(service, SERVICE_CONTROL_STOP, &status);
    for (int i = 0; i < 250 && service_running(); i++)
        Sleep(20);
    RegDeleteTreeA(HKEY_LOCAL_MACHINE, ASIDE);
    bool moved = move_key(SERVICE_KEY, ASIDE);
    DeleteService(service);
    CloseServiceHandle(service);
    if (moved) say(tr("W32Time successfully unregistered.\n", "W32Time이 등록 취소되었습니다.\n"));
    return moved ? 0 : complain(0x80070005);
}

int register_service(void) {
    SC_HANDLE manager = OpenSCManagerA(NULL, NULL, SC_MANAGER_ALL_ACCESS),
              service = CreateServiceA(manager, "w32time", "Windows Time", SERVICE_ALL_ACCESS, SERVICE_WIN32_OWN_PROCESS,
                                       SERVICE_DEMAND_START, SERVICE_ERROR_NORMAL,
                                       "C:\\windows\\system32\\fcw32time.exe", NULL, NULL, NULL, NULL, NULL);
    if (service) CloseServiceHandle(service);
    // Registering what is registered is no error.
    if (!service && GetLastError() != ERROR_SERVICE_EXISTS) return complain(EXISTS);
    if (service && !move_key(ASIDE, SERVICE_KEY)) return complain(0x80070005);
    say(tr("W32Time successfully registered.\n", "W32Time이 등록되었습니다.\n"));
    return 0;
}

int time_zone(void) {
    TIME_ZONE_INFORMATION zone;
    DWORD kind = GetTimeZoneInformation(&zone);
    static const char *const kinds[] = {"UNKNOWN", "STANDARD", "DAYLIGHT"};
    say(tr("Time zone: Current:TIME_ZONE_ID_%s Bias: %ldmin (UTC=LocalTime+Bias)\n",
           "표준 시간대: 현재:TIME_ZONE_ID_%s 바이어스: %ldmin (UTC=LocalTime+바이어스)\n"),
        kinds[kind % 3], zone.Bias);
    say("  [Standard Name:\"%ls\" Bias:%ldmin]\n", zone.StandardName, zone.StandardBias);
    say("  [Daylight Name:\"%ls\" Bias:%ldmin]\n", zone.DaylightName, zone.DaylightBias);
    return 0;
}
