// boot.exe: the end of a start of Windows. The service manager has started what starts by itself;
// now the triggers of W32Time fire. On a host that is in no domain the default ones stop it.
#include "host.h"
#include <stdio.h>
#include <string.h>

enum { NETWORK = 2, DOMAIN_JOIN = 3, START = 1, STOP = 2 };

static const GUID JOINED = {0x1ce20aba, 0x9851, 0x4421, {0x94, 0x30, 0x1d, 0xde, 0xb7, 0x66, 0xe8, 0x09}};
static const GUID NOT_JOINED = {0xddaf516e, 0x58c2, 0x4866, {0x95, 0x74, 0xc3, 0xb6, 0x15, 0xd4, 0x2e, 0xa1}};
static const GUID FIRST_ADDRESS = {0x4f27f2de, 0x14e2, 0x430b, {0xa5, 0x49, 0x7c, 0xd4, 0x8c, 0xbc, 0x82, 0x45}};

static bool fires(const char *key) {
    GUID guid;
    DWORD size = sizeof guid, type = reg_dword(key, "Type", 0);
    if (RegGetValueA(HKEY_LOCAL_MACHINE, key, "GUID", RRF_RT_REG_BINARY, NULL, &guid, &size)) return false;
    if (type == NETWORK) return !memcmp(&guid, &FIRST_ADDRESS, sizeof guid);
    if (type != DOMAIN_JOIN) return false;
    return !memcmp(&guid, domain_member() ? &JOINED : &NOT_JOINED, sizeof guid);
}

static void act(SC_HANDLE service, DWORD action) {
    SERVICE_STATUS status;
    if (action == START) StartServiceA(service, 0, NULL);
    if (action == STOP) ControlService(service, SERVICE_CONTROL_STOP, &status);
}

static void settle(SC_HANDLE service) {
    SERVICE_STATUS status;
    for (int i = 0; i < 200 && QueryServiceStatus(service, &status); i++) {
        if (status.dwCurrentState == SERVICE_RUNNING || status.dwCurrentState == SERVICE_STOPPED) return;
        Sleep(20);
    }
}

// Right after a cold start on a busy machine the service manager is not there yet. NULL: there is no
// such service, or after a minute nobody who would know.
static SC_HANDLE open_service(bool *unregistered) {
    for (int i = 0; i < 600; i++) {
        SC_HANDLE manager = OpenSCManagerA(NULL, NULL, SC_MANAGER_CONNECT);
        SC_HANDLE service =
            manager ? OpenServiceA(manager, "w32time", SERVICE_START | SERVICE_STOP | SERVICE_QUERY_STATUS) : NULL;
        *unregistered = manager && !service && GetLastError() == ERROR_SERVICE_DOES_NOT_EXIST;
        if (service || *unregistered) return service;
        if (manager) CloseServiceHandle(manager);
        Sleep(100);
    }
    return NULL;
}

// Windows notes when it was shut down last; here it is noted at the next start.
static void note_shutdown(void) {
    HKEY key;
    FILETIME now;
    GetSystemTimeAsFileTime(&now);
    if (RegCreateKeyExA(HKEY_LOCAL_MACHINE, "SYSTEM\\CurrentControlSet\\Control\\Windows", 0, NULL, 0, KEY_WRITE, NULL, &key, NULL))
        return;
    RegSetValueExA(key, "ShutdownTime", 0, REG_BINARY, (const BYTE *)&now, sizeof now);
    RegCloseKey(key);
}

int main(void) {
    bool unregistered;
    note_shutdown();
    SC_HANDLE service = open_service(&unregistered);
    if (!service) return unregistered ? 0 : 1;
    settle(service);
    for (int i = 0; i < 16; i++) {
        char key[256];
        snprintf(key, sizeof key, SERVICE_KEY "\\TriggerInfo\\%d", i);
        if (fires(key)) act(service, reg_dword(key, "Action", 0));
    }
    settle(service);
    return 0;
}
