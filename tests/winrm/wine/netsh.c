// netsh.exe: `advfirewall firewall add|delete|set|show rule` and `advfirewall set PROFILE state on|off`.
// `interface ipv4 show ipaddresses` and `interface ipv6 show addresses`.
// Rules are kept as Windows keeps them: one text for each, under a GUID, in FirewallRules.
#include "host.h"
#include <iphlpapi.h>
#include <ntsecapi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ws2tcpip.h>

#define FIREWALL "SYSTEM\\CurrentControlSet\\Services\\SharedAccess\\Parameters\\FirewallPolicy"

static int count;
static char **arguments;

// The value of `name=...` among the arguments from `first` on.
static const char *option(const char *name, int first) {
    size_t length = strlen(name);
    for (int i = first; i < count; i++)
        if (!_strnicmp(arguments[i], name, length) && arguments[i][length] == '=') return arguments[i] + length + 1;
    return NULL;
}

static int ok(void) {
    say(tr("Ok.\n\n", "확인됨\n\n"));
    return 0;
}

static int usage_error(const char *text) {
    say("%s\n", text);
    return 1;
}

static int no_match(void) {
    say(tr("\nNo rules match the specified criteria.\n\n", "\n지정된 조건에 맞는 규칙이 없습니다.\n\n"));
    return 1;
}

// --- the text of a rule

static void append(char *rule, size_t size, const char *key, const char *value) {
    size_t length = strlen(rule);
    snprintf(rule + length, size - length, "%s=%s|", key, value);
}

// Calls `write` for each item of a list with commas.
static void each(const char *list, char *rule, size_t size, const char *key,
                 void (*write)(char *, size_t, const char *, const char *)) {
    char copy[2048], *rest = NULL;
    snprintf(copy, sizeof copy, "%s", list);
    for (char *item = strtok_s(copy, ",", &rest); item; item = strtok_s(NULL, ",", &rest))
        write(rule, size, key, item);
}

static void write_list(char *rule, size_t size, const char *key, const char *list) {
    each(list, rule, size, key, append);
}

// 10.0.0.0/24 is kept as 10.0.0.0/255.255.255.0, IPv6 under its own key.
static void write_address(char *rule, size_t size, const char *key, const char *item) {
    const char *slash = strchr(item, '/');
    if (!_stricmp(item, "localsubnet")) {
        append(rule, size, "RA4", "LocalSubnet");
        append(rule, size, "RA6", "LocalSubnet");
    } else if (strchr(item, ':')) {
        append(rule, size, "RA6", item);
    } else if (slash && !strchr(slash, '.')) {
        char text[64];
        int bits = atoi(slash + 1);
        unsigned mask = bits ? 0xffffffffu << (32 - bits) : 0;
        snprintf(text, sizeof text, "%.*s/%u.%u.%u.%u", (int)(slash - item), item, mask >> 24, mask >> 16 & 255,
                 mask >> 8 & 255, mask & 255);
        append(rule, size, key, text);
    } else {
        append(rule, size, key, item);
    }
}

static void write_addresses(char *rule, size_t size, const char *key, const char *list) {
    each(list, rule, size, key, write_address);
}

static void write_profile(char *rule, size_t size, const char *key, const char *item) {
    append(rule, size, key, !_stricmp(item, "domain") ? "Domain" : !_stricmp(item, "private") ? "Private" : "Public");
}

static void write_profiles(char *rule, size_t size, const char *key, const char *list) {
    each(list, rule, size, key, write_profile);
}

static void write_action(char *rule, size_t size, const char *key, const char *value) {
    append(rule, size, key, _stricmp(value, "block") ? "Allow" : "Block");
}

static void write_enable(char *rule, size_t size, const char *key, const char *value) {
    append(rule, size, key, _stricmp(value, "no") ? "TRUE" : "FALSE");
}

static void write_direction(char *rule, size_t size, const char *key, const char *value) {
    append(rule, size, key, _stricmp(value, "in") ? "Out" : "In");
}

static void write_protocol(char *rule, size_t size, const char *key, const char *value) {
    append(rule, size, key, !_stricmp(value, "udp") ? "17" : !_stricmp(value, "tcp") ? "6" : value);
}

// The options, in the order in which Windows writes their fields.
static const struct part {
    const char *option, *key, *second_key;
    void (*write)(char *, size_t, const char *, const char *);
} parts[] = {
    {"action", "Action", NULL, write_action},
    {"enable", "Active", NULL, write_enable},
    {"dir", "Dir", NULL, write_direction},
    {"protocol", "Protocol", NULL, write_protocol},
    {"profile", "Profile", NULL, write_profiles},
    {"localport", "LPort", NULL, write_list},
    {"remoteport", "RPort", NULL, write_list},
    {"remoteip", "RA4", "RA6", write_addresses},
    {"program", "App", NULL, append},
    {"service", "Svc", NULL, append},
    {"name", "Name", NULL, append},
    {"description", "Desc", NULL, append},
};
enum { PARTS = sizeof parts / sizeof *parts };

static const char *version(void) {
    char build[16];
    reg_text("SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion", "CurrentBuildNumber", build, sizeof build);
    return atoi(build) >= 20348 ? "v2.31|" : atoi(build) >= 14393 ? "v2.26|" : "v2.10|";
}

static bool given(const char *value) { return value && _stricmp(value, "any"); }

// All fields `key` of the old text.
static void copy_fields(char *rule, size_t size, const char *old, const char *key) {
    char mark[32], value[2048];
    snprintf(mark, sizeof mark, "|%s=", key);
    for (const char *at = strstr(old, mark); at; at = strstr(at + 1, mark)) {
        at += strlen(mark) - 1;
        snprintf(value, sizeof value, "%.*s", (int)strcspn(at + 1, "|"), at + 1);
        append(rule, size, key, value);
    }
}

// The rule that the options from `first` on describe; what they leave out is as in `old`.
static void compose(char *rule, size_t size, int first, const char *old) {
    snprintf(rule, size, "%s", version());
    for (const struct part *part = parts; part < parts + PARTS; part++) {
        const char *value = option(part->option, first);
        if (given(value)) {
            part->write(rule, size, part->key, value);
        } else if (!value) {
            copy_fields(rule, size, old, part->key);
            if (part->second_key) copy_fields(rule, size, old, part->second_key);
        }
    }
}

// --- the registry

static HKEY open_rules(void) {
    HKEY key;
    RegCreateKeyExA(HKEY_LOCAL_MACHINE, FIREWALL "\\FirewallRules", 0, NULL, 0, KEY_ALL_ACCESS, NULL, &key, NULL);
    return key;
}

// Rules are kept in UTF-16: names may be in any language.
static void write_rule(const char *id, const char *rule) {
    WCHAR wide_id[64], wide[8192];
    HKEY key = open_rules();
    MultiByteToWideChar(CP_UTF8, 0, id, -1, wide_id, 64);
    int length = MultiByteToWideChar(CP_UTF8, 0, rule, -1, wide, 8192);
    RegSetValueExW(key, wide_id, 0, REG_SZ, (BYTE *)wide, length * sizeof *wide);
    RegCloseKey(key);
}

static bool field(const char *rule, const char *name, char *out, size_t size) {
    char mark[64];
    snprintf(mark, sizeof mark, "|%s=", name);
    const char *start = strstr(rule, mark);
    if (!start) return false;
    start += strlen(mark);
    snprintf(out, size, "%.*s", (int)strcspn(start, "|"), start);
    return true;
}

struct rule {
    char id[128], text[8192];
};

static bool matches(const char *text, const char *name, const char *direction) {
    char value[512];
    if (_stricmp(name, "all") && (!field(text, "Name", value, sizeof value) || _stricmp(value, name))) return false;
    return !direction || (field(text, "Dir", value, sizeof value) && !_stricmp(value, direction));
}

// All rules of this name; a name may occur several times.
static int find(const char *name, const char *direction, struct rule *rules, int room) {
    HKEY key = open_rules();
    int found = 0;
    for (DWORD i = 0; found < room; i++) {
        WCHAR wide_id[128], wide[8192] = {0};
        DWORD id_size = 128, size = sizeof wide - sizeof *wide;
        if (RegEnumValueW(key, i, wide_id, &id_size, NULL, NULL, (BYTE *)wide, &size)) break;
        WideCharToMultiByte(CP_UTF8, 0, wide_id, -1, rules[found].id, sizeof rules[found].id, NULL, NULL);
        WideCharToMultiByte(CP_UTF8, 0, wide, -1, rules[found].text, sizeof rules[found].text, NULL, NULL);
        if (matches(rules[found].text, name, direction)) found++;
    }
    RegCloseKey(key);
    return found;
}

static void new_guid(char *out, size_t size) {
    GUID g;
    RtlGenRandom(&g, sizeof g);
    snprintf(out, size, "{%08lX-%04X-%04X-%02X%02X-%02X%02X%02X%02X%02X%02X}", g.Data1, g.Data2, g.Data3, g.Data4[0],
             g.Data4[1], g.Data4[2], g.Data4[3], g.Data4[4], g.Data4[5], g.Data4[6], g.Data4[7]);
}

// --- the verbs

static struct rule rules[256];

static int add(void) {
    static char rule[8192];
    char id[64];
    const char *direction = option("dir", 5);
    if (!option("name", 5) || !direction || !option("action", 5))
        return usage_error("A required tag is missing: name, dir, action.");
    if (_stricmp(direction, "in") && _stricmp(direction, "out"))
        return usage_error("A specified value is not valid: dir.");
    if ((given(option("localport", 5)) || given(option("remoteport", 5))) && !given(option("protocol", 5)))
        return usage_error("A port can be specified only if the protocol is TCP or UDP.");
    compose(rule, sizeof rule, 5, "|Active=TRUE|");
    new_guid(id, sizeof id);
    write_rule(id, rule);
    return ok();
}

static int delete(void) {
    const char *name = option("name", 5);
    if (!name) return usage_error("A required tag is missing: name.");
    int found = find(name, option("dir", 5), rules, 256);
    if (!found) return no_match();
    HKEY key = open_rules();
    for (int i = 0; i < found; i++)
        RegDeleteValueA(key, rules[i].id);
    RegCloseKey(key);
    say(tr("\nDeleted %d rule(s).\n", "\n%d 규칙을 삭제했습니다.\n"), found);
    return ok();
}

// `set rule name=X new KEY=VALUE...`: the fields named after `new` are replaced.
static void change(struct rule *rule, int first) {
    static char made[8192];
    compose(made, sizeof made, first, rule->text);
    write_rule(rule->id, made);
}

static int set(void) {
    int fresh = 5;
    while (fresh < count && _stricmp(arguments[fresh], "new"))
        fresh++;
    if (!option("name", 5) || fresh == count) return usage_error("A required tag is missing: name, new.");
    int found = find(option("name", 5), NULL, rules, 256);
    if (!found) return no_match();
    for (int i = 0; i < found; i++)
        change(&rules[i], fresh + 1);
    say(tr("\nUpdated %d rule(s).\n", "\n%d 규칙을 업데이트했습니다.\n"), found);
    return ok();
}

static void show_field(const char *rule, const char *key, const char *english, const char *in_korean) {
    char value[1024];
    if (field(rule, key, value, sizeof value)) say("%-38s%s\n", tr(english, in_korean), value);
}

static int show(void) {
    const char *name = option("name", 5);
    if (!name) return usage_error("A required tag is missing: name.");
    int found = find(name, option("dir", 5), rules, 256);
    if (!found) return no_match();
    for (int i = 0; i < found; i++) {
        say("\n");
        show_field(rules[i].text, "Name", "Rule Name:", "규칙 이름:");
        say("----------------------------------------------------------------------\n");
        show_field(rules[i].text, "Active", "Enabled:", "사용:");
        show_field(rules[i].text, "Dir", "Direction:", "방향:");
        show_field(rules[i].text, "Profile", "Profiles:", "프로필:");
        show_field(rules[i].text, "RA4", "RemoteIP:", "원격 IP:");
        show_field(rules[i].text, "Protocol", "Protocol:", "프로토콜:");
        show_field(rules[i].text, "LPort", "LocalPort:", "로컬 포트:");
        show_field(rules[i].text, "RPort", "RemotePort:", "원격 포트:");
        show_field(rules[i].text, "Action", "Action:", "작업:");
    }
    return ok();
}

// `set allprofiles state on`
static int set_profile(const char *which, const char *state) {
    static const char *names[][2] = {
        {"domainprofile", "DomainProfile"}, {"privateprofile", "StandardProfile"}, {"publicprofile", "PublicProfile"}};
    char key[256];
    int changed = 0;
    for (int i = 0; i < 3; i++) {
        if (_stricmp(which, "allprofiles") && _stricmp(which, names[i][0])) continue;
        snprintf(key, sizeof key, FIREWALL "\\%s", names[i][1]);
        reg_set_dword(key, "EnableFirewall", !_stricmp(state, "on"));
        changed++;
    }
    return changed ? ok() : 1;
}

static bool words(const char *a, const char *b, const char *c, const char *d) {
    const char *wanted[] = {a, b, c, d};
    for (int i = 0; i < 4 && wanted[i]; i++)
        if (i + 1 >= count || _stricmp(arguments[i + 1], wanted[i])) return false;
    return true;
}

// `interface ipv4 show ipaddresses`, `interface ipv6 show addresses`: a table, the address is the last word.
static int show_addresses(int family) {
    static char room[1 << 16];
    IP_ADAPTER_ADDRESSES *all = (IP_ADAPTER_ADDRESSES *)room;
    ULONG size = sizeof room;
    WSADATA data;
    WSAStartup(MAKEWORD(2, 2), &data);
    if (GetAdaptersAddresses(family, 0, NULL, all, &size)) return 1;
    for (IP_ADAPTER_ADDRESSES *at = all; at; at = at->Next) {
        say(tr("\nInterface %lu: Ethernet\n\n", "\n인터페이스 %lu: Ethernet\n\n"), at->IfIndex);
        say(tr("Addr Type  DAD State   Valid Life Pref. Life Address\n", "주소 유형  DAD 상태    유효 수명  기본 수명  주소\n"));
        say("---------  ----------- ---------- ---------- ------------------------\n");
        for (IP_ADAPTER_UNICAST_ADDRESS *own = at->FirstUnicastAddress; own; own = own->Next) {
            char text[64];
            if (getnameinfo(own->Address.lpSockaddr, own->Address.iSockaddrLength, text, sizeof text, NULL, 0, NI_NUMERICHOST)) continue;
            say(tr("Manual     Preferred     infinite   infinite %s\n", "수동       기본 설정     infinite   infinite %s\n"), text);
        }
    }
    return 0;
}

int main(void) {
    arguments = utf8_arguments(&count);
    if (words("advfirewall", "firewall", "add", "rule")) return add();
    if (words("advfirewall", "firewall", "delete", "rule")) return delete();
    if (words("advfirewall", "firewall", "set", "rule")) return set();
    if (words("advfirewall", "firewall", "show", "rule")) return show();
    if (words("interface", "ipv4", "show", "ipaddresses")) return show_addresses(AF_INET);
    if (words("interface", "ipv6", "show", "addresses")) return show_addresses(AF_INET6);
    if (words("advfirewall", "set", NULL, NULL) && count == 6 && !_stricmp(arguments[4], "state"))
        return set_profile(arguments[3], arguments[5]);
    say("netsh of the stand-in: advfirewall firewall add|delete|set|show rule, advfirewall set PROFILE state on|off\n");
    return 1;
}
