// sc.exe: query, qc, config start=, start, stop, qtriggerinfo, triggerinfo. Wine's own lacks half of
// these and has other exit codes; here they are the Windows error numbers.
#include "host.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *error_text(DWORD code) {
    switch (code) {
    case ERROR_SERVICE_ALREADY_RUNNING:
        return tr("An instance of the service is already running.", "서비스가 이미 실행 중입니다.");
    case ERROR_SERVICE_DISABLED:
        return tr("The service cannot be started, either because it is disabled or because it has no enabled devices "
                  "associated with it.",
                  "사용할 수 없거나 연결된 장치가 없어서 서비스를 시작할 수 없습니다.");
    case ERROR_SERVICE_DOES_NOT_EXIST:
        return tr("The specified service does not exist as an installed service.",
                  "지정된 서비스를 설치된 서비스로 찾을 수 없습니다.");
    case ERROR_SERVICE_CANNOT_ACCEPT_CTRL:
        return tr("The service cannot accept control messages at this time.",
                  "서비스가 지금 제어 메시지를 받아들일 수 없습니다.");
    case ERROR_SERVICE_NOT_ACTIVE: return tr("The service has not been started.", "서비스가 시작되지 않았습니다.");
    default: return "?";
    }
}

// The exit code is the number of the error.
static int failed(const char *what, DWORD code) {
    say("[SC] %s %s %lu:\n\n%s\n\n", what, tr("FAILED", "실패"), code, error_text(code));
    return code;
}

static int succeeded(const char *what) {
    say("[SC] %s %s\n", what, tr("SUCCESS", "성공"));
    return 0;
}

static SC_HANDLE open_service(const char *name, DWORD access) {
    return OpenServiceA(OpenSCManagerA(NULL, NULL, SC_MANAGER_CONNECT), name, access);
}

static const char *state_text(DWORD state) {
    static const char *names[] = {"?",       "STOPPED",          "START_PENDING", "STOP_PENDING",
                                  "RUNNING", "CONTINUE_PENDING", "PAUSE_PENDING", "PAUSED"};
    return names[state < 8 ? state : 0];
}

static void print_status(const char *name, const SERVICE_STATUS *s) {
    const char *type = s->dwServiceType == SERVICE_WIN32_OWN_PROCESS ? "WIN32_OWN_PROCESS" : "WIN32_SHARE_PROCESS";
    say("\nSERVICE_NAME: %s \n", name);
    say("        TYPE               : %lx  %s  \n", s->dwServiceType, type);
    say("        STATE              : %lu  %s \n", s->dwCurrentState, state_text(s->dwCurrentState));
    if (s->dwCurrentState == SERVICE_RUNNING)
        say("                                (STOPPABLE, NOT_PAUSABLE, ACCEPTS_SHUTDOWN)\n");
    if (s->dwCurrentState == SERVICE_STOP_PENDING)
        say("                                (NOT_STOPPABLE, NOT_PAUSABLE, IGNORES_SHUTDOWN)\n");
    say("        WIN32_EXIT_CODE    : %lu  (0x%lx)\n", s->dwWin32ExitCode, s->dwWin32ExitCode);
    say("        SERVICE_EXIT_CODE  : 0  (0x0)\n        CHECKPOINT         : 0x%lx\n        WAIT_HINT          : "
        "0x%lx\n",
        s->dwCheckPoint, s->dwWaitHint);
}

static int query(const char *name) {
    SERVICE_STATUS status;
    SC_HANDLE service = open_service(name, SERVICE_QUERY_STATUS);
    if (!service || !QueryServiceStatus(service, &status))
        return failed("EnumQueryServicesStatus:OpenService", GetLastError());
    print_status(name, &status);
    return 0;
}

static int query_config(const char *name) {
    static const char *starts[] = {"BOOT_START", "SYSTEM_START", "AUTO_START", "DEMAND_START", "DISABLED"};
    char room[8192], key[256];
    QUERY_SERVICE_CONFIGA *config = (QUERY_SERVICE_CONFIGA *)room;
    DWORD needed;
    SC_HANDLE service = open_service(name, SERVICE_QUERY_CONFIG);
    if (!service || !QueryServiceConfigA(service, config, sizeof room, &needed))
        return failed("OpenService", GetLastError());
    snprintf(key, sizeof key, "SYSTEM\\CurrentControlSet\\Services\\%s", name);
    bool delayed = config->dwStartType == SERVICE_AUTO_START && reg_dword(key, "DelayedAutostart", 0);
    succeeded("QueryServiceConfig");
    say("\nSERVICE_NAME: %s\n        TYPE               : %lx  %s\n", name, config->dwServiceType,
        config->dwServiceType == 0x10 ? "WIN32_OWN_PROCESS" : "WIN32_SHARE_PROCESS");
    say("        START_TYPE         : %lu   %s%s\n", config->dwStartType,
        starts[config->dwStartType < 5 ? config->dwStartType : 3], delayed ? "  (DELAYED)" : "");
    say("        ERROR_CONTROL      : %lu   NORMAL\n        BINARY_PATH_NAME   : %s\n        LOAD_ORDER_GROUP   : \n   "
        "     TAG                : 0\n",
        config->dwErrorControl, config->lpBinaryPathName);
    say("        DISPLAY_NAME       : %s\n        DEPENDENCIES       : \n        SERVICE_START_NAME : %s\n",
        config->lpDisplayName, config->lpServiceStartName);
    return 0;
}

// `start= auto`: the blank is needed, as on Windows.
static int configure(const char *name, const char *key, const char *value) {
    char registry_key[256];
    DWORD type = SERVICE_NO_CHANGE;
    SC_HANDLE service = open_service(name, SERVICE_CHANGE_CONFIG);
    if (!service) return failed("OpenService", GetLastError());
    if (!key || _stricmp(key, "start=") || !value) return 1639;
    bool delayed = !_stricmp(value, "delayed-auto");
    if (!_stricmp(value, "auto") || delayed) type = SERVICE_AUTO_START;
    if (!_stricmp(value, "demand")) type = SERVICE_DEMAND_START;
    if (!_stricmp(value, "disabled")) type = SERVICE_DISABLED;
    if (type == SERVICE_NO_CHANGE) return 1639;
    if (!ChangeServiceConfigA(service, SERVICE_NO_CHANGE, type, SERVICE_NO_CHANGE, NULL, NULL, NULL, NULL, NULL, NULL,
                              NULL))
        return failed("ChangeServiceConfig", GetLastError());
    snprintf(registry_key, sizeof registry_key, "SYSTEM\\CurrentControlSet\\Services\\%s", name);
    if (type == SERVICE_AUTO_START) reg_set_dword(registry_key, "DelayedAutostart", delayed);
    return succeeded("ChangeServiceConfig");
}

static int start(const char *name) {
    SERVICE_STATUS status;
    SC_HANDLE service = open_service(name, SERVICE_START | SERVICE_QUERY_STATUS);
    if (!service) return failed("StartService: OpenService", GetLastError());
    if (!StartServiceA(service, 0, NULL)) return failed("StartService", GetLastError());
    QueryServiceStatus(service, &status);
    print_status(name, &status);
    return 0;
}

static int stop(const char *name) {
    SERVICE_STATUS status;
    SC_HANDLE service = open_service(name, SERVICE_STOP);
    if (!service) return failed("OpenService", GetLastError());
    if (!ControlService(service, SERVICE_CONTROL_STOP, &status)) return failed("ControlService", GetLastError());
    print_status(name, &status);
    return 0;
}

// --- triggers

static const struct trigger {
    const char *option;
    DWORD type, action;
    GUID guid;
    const char *kind, *text;
} triggers[] = {
    {"start/networkon",
     2,
     1,
     {0x4f27f2de, 0x14e2, 0x430b, {0xa5, 0x49, 0x7c, 0xd4, 0x8c, 0xbc, 0x82, 0x45}},
     "IP ADDRESS AVAILABILITY      : 4f27f2de-14e2-430b-a549-7cd48cbc8245",
     "[FIRST IP ADDRESS AVAILABLE]"},
    {"stop/networkoff",
     2,
     2,
     {0xcc4ba62a, 0x162e, 0x4648, {0x84, 0x7a, 0xb6, 0xbd, 0xf9, 0x93, 0xe3, 0x35}},
     "IP ADDRESS AVAILABILITY      : cc4ba62a-162e-4648-847a-b6bdf993e335",
     "[NO IP ADDRESSES AVAILABLE]"},
    {"start/domainjoin",
     3,
     1,
     {0x1ce20aba, 0x9851, 0x4421, {0x94, 0x30, 0x1d, 0xde, 0xb7, 0x66, 0xe8, 0x09}},
     "DOMAIN JOINED STATUS         : 1ce20aba-9851-4421-9430-1ddeb766e809",
     "[DOMAIN JOINED]"},
    {"stop/domainleave",
     3,
     2,
     {0xddaf516e, 0x58c2, 0x4866, {0x95, 0x74, 0xc3, 0xb6, 0x15, 0xd4, 0x2e, 0xa1}},
     "DOMAIN JOINED STATUS         : ddaf516e-58c2-4866-9574-c3b615d42ea1",
     "[NOT DOMAIN JOINED]"},
};
enum { TRIGGERS = sizeof triggers / sizeof *triggers };

static void trigger_key(const char *name, char *out, size_t size) {
    snprintf(out, size, "SYSTEM\\CurrentControlSet\\Services\\%s\\TriggerInfo", name);
}

static int query_triggers(const char *name) {
    char base[256], key[300];
    int found = 0;
    if (!open_service(name, SERVICE_QUERY_CONFIG)) return failed("OpenService", GetLastError());
    trigger_key(name, base, sizeof base);
    succeeded("QueryServiceConfig2");
    for (int i = 0; i < 16; i++) {
        GUID guid;
        DWORD size = sizeof guid;
        snprintf(key, sizeof key, "%s\\%d", base, i);
        if (RegGetValueA(HKEY_LOCAL_MACHINE, key, "GUID", RRF_RT_REG_BINARY, NULL, &guid, &size)) continue;
        if (!found++) say("\nSERVICE_NAME: %s\n\n", name);
        say("        %s\n", reg_dword(key, "Action", 0) == 1 ? "START SERVICE" : "STOP SERVICE");
        for (int j = 0; j < TRIGGERS; j++)
            if (!memcmp(&guid, &triggers[j].guid, sizeof guid))
                say("          %s %s\n", triggers[j].kind, triggers[j].text);
    }
    if (!found)
        say("\n%s\n", tr("The service has not registered for any start or stop triggers.",
                         "서비스가 시작 또는 중지 트리거에 대해 등록되지 않았습니다."));
    return 0;
}

static int set_triggers(const char *name, int count, char **options) {
    char base[256], key[300];
    if (!open_service(name, SERVICE_CHANGE_CONFIG)) return failed("OpenService", GetLastError());
    if (count < 1) return 1639;
    trigger_key(name, base, sizeof base);
    RegDeleteTreeA(HKEY_LOCAL_MACHINE, base);
    for (int i = 0; i < count && _stricmp(options[i], "delete"); i++) {
        const struct trigger *found = NULL;
        for (int j = 0; j < TRIGGERS; j++)
            if (!_stricmp(options[i], triggers[j].option)) found = &triggers[j];
        if (!found) return 1639;
        snprintf(key, sizeof key, "%s\\%d", base, i);
        reg_set_dword(key, "Type", found->type);
        reg_set_dword(key, "Action", found->action);
        RegSetKeyValueA(HKEY_LOCAL_MACHINE, key, "GUID", REG_BINARY, &found->guid, sizeof found->guid);
    }
    return succeeded("ChangeServiceConfig2");
}

int main(void) {
    int count;
    char **arguments = utf8_arguments(&count);
    const char *verb = count > 2 ? arguments[1] : "", *name = count > 2 ? arguments[2] : "";
    if (!_stricmp(verb, "query") || !_stricmp(verb, "queryex")) return query(name);
    if (!_stricmp(verb, "qc")) return query_config(name);
    if (!_stricmp(verb, "config"))
        return configure(name, count > 3 ? arguments[3] : NULL, count > 4 ? arguments[4] : NULL);
    if (!_stricmp(verb, "start")) return start(name);
    if (!_stricmp(verb, "stop")) return stop(name);
    if (!_stricmp(verb, "qtriggerinfo")) return query_triggers(name);
    if (!_stricmp(verb, "triggerinfo")) return set_triggers(name, count - 3, arguments + 3);
    say("sc of the stand-in: query qc config start stop qtriggerinfo triggerinfo\n");
    return 1639;
}
