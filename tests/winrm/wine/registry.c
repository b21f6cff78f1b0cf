// Values below HKEY_LOCAL_MACHINE.
#include "host.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

DWORD reg_dword(const char *key, const char *value, DWORD otherwise) {
    DWORD data, size = sizeof data;
    LSTATUS status = RegGetValueA(HKEY_LOCAL_MACHINE, key, value, RRF_RT_REG_DWORD, NULL, &data, &size);
    return status == ERROR_SUCCESS ? data : otherwise;
}

bool reg_has(const char *key, const char *value) {
    return RegGetValueA(HKEY_LOCAL_MACHINE, key, value, RRF_RT_ANY, NULL, NULL, NULL) == ERROR_SUCCESS;
}

bool reg_text(const char *key, const char *value, char *out, DWORD size) {
    out[0] = 0;
    return RegGetValueA(HKEY_LOCAL_MACHINE, key, value, RRF_RT_REG_SZ, NULL, out, &size) == ERROR_SUCCESS;
}

int64_t reg_number(const char *key, const char *value, int64_t otherwise) {
    char text[32];
    return reg_text(key, value, text, sizeof text) ? strtoll(text, NULL, 10) : otherwise;
}

void reg_set_dword(const char *key, const char *value, DWORD data) {
    RegSetKeyValueA(HKEY_LOCAL_MACHINE, key, value, REG_DWORD, &data, sizeof data);
}

void reg_set_text(const char *key, const char *value, const char *data) {
    RegSetKeyValueA(HKEY_LOCAL_MACHINE, key, value, REG_SZ, data, strlen(data) + 1);
}

void reg_set_number(const char *key, const char *value, int64_t data) {
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)data);
    reg_set_text(key, value, text);
}

DWORD w32time_dword(const char *sub, const char *value, DWORD otherwise) {
    char key[256];
    snprintf(key, sizeof key, SERVICE_KEY "\\%s", sub);
    DWORD own = reg_dword(key, value, otherwise);
    snprintf(key, sizeof key, POLICY_KEY "\\%s", sub);
    return reg_dword(key, value, own);
}

bool w32time_text(const char *sub, const char *value, char *out, DWORD size) {
    char key[256];
    snprintf(key, sizeof key, POLICY_KEY "\\%s", sub);
    if (reg_text(key, value, out, size)) return true;
    snprintf(key, sizeof key, SERVICE_KEY "\\%s", sub);
    return reg_text(key, value, out, size);
}

bool domain_controller(void) {
    char type[16];
    reg_text("SYSTEM\\CurrentControlSet\\Control\\ProductOptions", "ProductType", type, sizeof type);
    return _stricmp(type, "LanmanNT") == 0;
}

bool domain_member(void) {
    return domain_controller() || reg_dword("SYSTEM\\CurrentControlSet\\Services\\Netlogon", "Start", 3) == 2;
}
