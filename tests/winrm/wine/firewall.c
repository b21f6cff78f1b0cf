// Windows Firewall: the rules in the registry, judged as the real filter would for UDP over IPv4.
#include "host.h"
#include <iphlpapi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIREWALL "SYSTEM\\CurrentControlSet\\Services\\SharedAccess\\Parameters\\FirewallPolicy"
#define POLICY "SOFTWARE\\Policies\\Microsoft\\WindowsFirewall"
#define UDP 17

struct packet {
    bool inbound;
    uint32_t remote; // Host order.
    uint16_t local_port, remote_port;
    const char *service, *profile;
};
enum verdict { SILENT, ALLOW, BLOCK };

static bool parse_address(const char *text, size_t length, uint32_t *out) {
    char copy[16] = "";
    unsigned long address;
    if (length >= sizeof copy) return false;
    memcpy(copy, text, length);
    address = inet_addr(copy);
    *out = ntohl(address);
    return address != INADDR_NONE || strcmp(copy, "255.255.255.255") == 0;
}

// ADDRESS, ADDRESS/MASK, ADDRESS/BITS or FIRST-LAST.
static bool covers(const char *range, uint32_t remote) {
    const char *cut = strpbrk(range, "/-");
    uint32_t first, second = 0xffffffff;
    if (!parse_address(range, cut ? (size_t)(cut - range) : strlen(range), &first)) return false;
    if (cut && *cut == '-')
        return parse_address(cut + 1, strlen(cut + 1), &second) && remote >= first && remote <= second;
    if (cut && strchr(cut, '.')) {
        if (!parse_address(cut + 1, strlen(cut + 1), &second)) return false;
    } else if (cut) {
        int bits = atoi(cut + 1);
        second = bits ? 0xffffffffu << (32 - bits) : 0;
    }
    return (remote & second) == (first & second);
}

static bool local_subnet(uint32_t remote) {
    char room[4096];
    MIB_IPADDRTABLE *table = (MIB_IPADDRTABLE *)room;
    ULONG size = sizeof room;
    if (GetIpAddrTable(table, &size, FALSE)) return false;
    for (DWORD i = 0; i < table->dwNumEntries; i++)
        if (((ntohl(table->table[i].dwAddr) ^ remote) & ntohl(table->table[i].dwMask)) == 0) return true;
    return false;
}

static bool port_matches(const char *text, uint16_t port) {
    int first, last, read = sscanf(text, "%d-%d", &first, &last);
    return read >= 1 && port >= first && port <= (read == 2 ? last : first);
}

// Of the fields that may stand several times (addresses, ports, profiles), one must match.
struct tally {
    bool named, matched;
};
static void count(struct tally *tally, bool matched) {
    tally->named = true;
    tally->matched |= matched;
}
static bool passes(struct tally tally) { return !tally.named || tally.matched; }

static enum verdict judge(char *rule, const struct packet *p) {
    struct tally address = {0}, local = {0}, remote = {0}, profile = {0};
    bool applies = true, block = false;
    char *rest = NULL;
    for (char *field = strtok_s(rule, "|", &rest); field; field = strtok_s(NULL, "|", &rest)) {
        char *value = strchr(field, '=');
        if (!value) continue; // The version.
        *value++ = 0;
        if (!strcmp(field, "Action"))
            block = _stricmp(value, "Block") == 0;
        else if (!strcmp(field, "Active"))
            applies &= _stricmp(value, "TRUE") == 0;
        else if (!strcmp(field, "Dir"))
            applies &= (_stricmp(value, "In") == 0) == p->inbound;
        else if (!strcmp(field, "Protocol"))
            applies &= atoi(value) == UDP;
        else if (!strcmp(field, "Svc"))
            applies &= !strcmp(value, "*") || !_stricmp(value, p->service);
        else if (!strcmp(field, "Profile"))
            count(&profile, _stricmp(value, p->profile) == 0);
        else if (!strncmp(field, "LPort", 5))
            count(&local, port_matches(value, p->local_port));
        else if (!strncmp(field, "RPort", 5))
            count(&remote, port_matches(value, p->remote_port));
        else if (!strcmp(field, "RA4"))
            count(&address, !_stricmp(value, "LocalSubnet") ? local_subnet(p->remote) : covers(value, p->remote));
        else if (!strcmp(field, "RA6"))
            count(&address, false);
    }
    if (!applies || !passes(address) || !passes(local) || !passes(remote) || !passes(profile)) return SILENT;
    return block ? BLOCK : ALLOW;
}

static enum verdict judge_all(const char *key_name, const struct packet *packet) {
    HKEY key;
    enum verdict verdict = SILENT;
    if (RegOpenKeyExA(HKEY_LOCAL_MACHINE, key_name, 0, KEY_READ, &key)) return SILENT;
    for (DWORD i = 0;; i++) {
        char name[512], rule[4096];
        DWORD name_size = sizeof name, size = sizeof rule - 1, type;
        LSTATUS status = RegEnumValueA(key, i, name, &name_size, NULL, &type, (BYTE *)rule, &size);
        if (status == ERROR_MORE_DATA) continue;
        if (status) break;
        rule[size] = 0;
        enum verdict one = judge(rule, packet);
        if (one > verdict) verdict = one; // A block rule wins.
    }
    RegCloseKey(key);
    return verdict;
}

static DWORD profile_dword(const char *profile, const char *value, DWORD otherwise) {
    char key[256];
    snprintf(key, sizeof key, FIREWALL "\\%sProfile", profile);
    DWORD own = reg_dword(key, value, otherwise);
    snprintf(key, sizeof key, POLICY "\\%sProfile", profile);
    return reg_dword(key, value, own);
}

// "Block all incoming connections", and whether the host's own rules count: only a policy says so.
static bool shields_up(const char *profile) { return profile_dword(profile, "DoNotAllowExceptions", 0); }

static bool own_rules_count(const char *profile) {
    char key[256];
    snprintf(key, sizeof key, POLICY "\\%sProfile", profile);
    return reg_dword(key, "AllowLocalPolicyMerge", 1) != 0;
}

bool firewall_allows(bool inbound, uint32_t remote, uint16_t local_port, uint16_t remote_port, const char *service) {
    const char *profile = domain_member() ? "Domain" : "Public";
    struct packet packet = {inbound, ntohl(remote), local_port, remote_port, service, profile};
    if (!profile_dword(profile, "EnableFirewall", 1)) return true;
    if (inbound && shields_up(profile)) return false;
    enum verdict verdict = own_rules_count(profile) ? judge_all(FIREWALL "\\FirewallRules", &packet) : SILENT;
    enum verdict policy = judge_all(POLICY "\\FirewallRules", &packet);
    if (policy > verdict) verdict = policy;
    if (verdict != SILENT) return verdict == ALLOW;
    return profile_dword(profile, inbound ? "DefaultInboundAction" : "DefaultOutboundAction", inbound) == 0;
}
