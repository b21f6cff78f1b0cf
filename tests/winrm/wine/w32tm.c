// w32tm.exe: /config, /resync, /query, /stripchart, /monitor, /dumpreg, /register, /unregister, /tz. Texts are those of the real program
// where they are known; lines and positions always are.
#include "host.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOT_STARTED 0x80070426u
#define TICKS 10000000LL

static int count;
static char **arguments;

static const char *option(const char *name) {
    for (int i = 1; i < count; i++)
        if (!_strnicmp(arguments[i], name, strlen(name))) return arguments[i] + strlen(name);
    return NULL;
}

static bool flag(const char *name) {
    for (int i = 1; i < count; i++)
        if (!_stricmp(arguments[i], name)) return true;
    return false;
}

static int completed(void) {
    say(tr("The command completed successfully.\n", "명령이 성공적으로 완료되었습니다.\n"));
    return 0;
}

// Tells the service, and waits until it has counted one more in `counter`. False if it does not run.
static bool tell(DWORD control, const char *counter) {
    DWORD before = reg_dword(STATE_KEY, counter, 0);
    if (!service_control(control)) return false;
    for (int i = 0; i < 3000 && reg_dword(STATE_KEY, counter, 0) == before; i++)
        Sleep(20);
    return true;
}

// --- /config

static bool set_type(const char *flags) {
    const char *type = NULL;
    if (!_stricmp(flags, "manual")) type = "NTP";
    if (!_stricmp(flags, "domhier")) type = "NT5DS";
    if (!_stricmp(flags, "all") || !_stricmp(flags, "manual,domhier") || !_stricmp(flags, "domhier,manual"))
        type = "AllSync";
    if (!_stricmp(flags, "no")) type = "NoSync";
    if (type) reg_set_text(SERVICE_KEY "\\Parameters", "Type", type);
    return type != NULL;
}

static int configure(void) {
    const char *peers = option("/manualpeerlist:"), *flags = option("/syncfromflags:"),
               *reliable = option("/reliable:");
    if (peers) reg_set_text(SERVICE_KEY "\\Parameters", "NtpServer", peers);
    if (flags && !set_type(flags)) return complain(0x80070057);
    if (reliable) reg_set_dword(SERVICE_KEY "\\Config", "AnnounceFlags", _stricmp(reliable, "yes") ? 10 : 5);
    if (!flag("/update")) return completed();
    return tell(CONTROL_UPDATE, "UpdateCount") ? completed() : complain(NOT_STARTED);
}

// --- /resync

static int resync_text(DWORD result) {
    switch (result) {
    case 0: return completed();
    case 2:
        say(tr("The computer did not resync because only stale time data was available.\n",
               "오래된 시간 데이터만 사용할 수 있어 컴퓨터가 동기화하지 못했습니다.\n"));
        return 1;
    case 3:
        say(tr("The computer did not resync because the required time change was too big.\n",
               "필요한 시간 변경이 너무 커서 컴퓨터가 동기화하지 못했습니다.\n"));
        return 1;
    default:
        say(tr("The computer did not resync because no time data was available.\n",
               "사용 가능한 시간 데이터가 없어 컴퓨터가 동기화하지 못했습니다.\n"));
        return 1;
    }
}

static int resync(void) {
    say(tr("Sending resync command to local computer\n", "로컬 컴퓨터에 다시 동기화 명령을 보내는 중\n"));
    DWORD control = flag("/rediscover") ? CONTROL_REDISCOVER : CONTROL_RESYNC;
    if (flag("/nowait")) return service_control(control) ? completed() : complain(NOT_STARTED);
    if (!tell(control, "ResyncCount")) return complain(NOT_STARTED);
    return resync_text(reg_dword(STATE_KEY, "ResyncResult", 1));
}

// --- /query

static void line(const char *english, const char *in_korean, const char *value) {
    say_wrapped(tr(english, in_korean), value);
}

static const char *leap_text(DWORD leap) {
    switch (leap) {
    case 0: return tr("0(no warning)", "0(경고 없음)");
    case 1: return tr("1(last minute has 61 seconds)", "1(마지막 분이 61초임)");
    case 2: return tr("2(last minute has 59 seconds)", "2(마지막 분이 59초임)");
    default: return tr("3(not synchronized)", "3(동기화되지 않음)");
    }
}

static const char *stratum_text(DWORD stratum) {
    switch (stratum) {
    case 0: return tr("unspecified", "지정되지 않음");
    case 1: return tr("primary reference - syncd by radio clock", "기본 참조 - 라디오 클록으로 동기화됨");
    default: return tr("secondary reference - syncd by (S)NTP", "보조 참조 - (S)NTP로 동기화됨");
    }
}

static void reference_text(DWORD id, char *out, size_t size) {
    if (id == 0x4c4f434c)
        snprintf(out, size, tr("0x%08lX (source name:  \"LOCL\")", "0x%08lX(원본 이름: \"LOCL\")"), id);
    else if (id)
        snprintf(out, size, tr("0x%08lX (source IP:  %lu.%lu.%lu.%lu)", "0x%08lX(원본 IP: %lu.%lu.%lu.%lu)"), id, id >> 24,
                 id >> 16 & 255, id >> 8 & 255, id & 255);
    else
        snprintf(out, size, "%s", tr("0x00000000 (unspecified)", "0x00000000(지정되지 않음)"));
}

static void basic_status(void) {
    char text[256];
    int64_t last = reg_number(STATE_KEY, "LastSync", 0);
    int precision = (int)reg_dword(STATE_KEY, "Precision", 0);
    DWORD poll = reg_dword(STATE_KEY, "MinPoll", 10);
    line("Leap Indicator", "윤초 조정", leap_text(reg_dword(STATE_KEY, "Leap", 3)));
    DWORD stratum = reg_dword(STATE_KEY, "Stratum", 0);
    snprintf(text, sizeof text, tr("%lu (%s)", "%lu(%s)"), stratum, stratum_text(stratum));
    line("Stratum", "계층", text);
    snprintf(text, sizeof text,
             precision == -23 ? tr("-23 (119.209ns per tick)", "-23(틱당 119.209ns)")
                              : tr("-6 (15.625ms per tick)", "-6(틱당 15.625ms)"));
    line("Precision", "정밀도", text);
    snprintf(text, sizeof text, "%.7fs", reg_dword(STATE_KEY, "RootDelayUs", 0) / 1e6);
    line("Root Delay", "루트 지연", text);
    snprintf(text, sizeof text, "%.7fs", reg_dword(STATE_KEY, "RootDispersionUs", 0) / 1e6);
    line("Root Dispersion", "루트 분산", text);
    reference_text(reg_dword(STATE_KEY, "RefId", 0), text, sizeof text);
    line("ReferenceId", "참조 ID", text);
    if (last)
        clock_text(last, text, sizeof text);
    else
        strcpy(text, tr("unspecified", "지정되지 않음"));
    line("Last Successful Sync Time", "마지막으로 동기화한 시간", text);
    reg_text(STATE_KEY, "Source", text, sizeof text);
    line("Source", "원본", text);
    snprintf(text, sizeof text, tr("%lu (%lus)", "%lu(%lus)"), poll, 1ul << poll);
    line("Poll Interval", "폴링 간격", text);
}

static const char *error_text(DWORD result) {
    switch (result) {
    case 0: return tr("0 (The command completed successfully.)", "0 (명령이 성공적으로 완료되었습니다.)");
    case 2:
        return tr("2 (The computer did not resync because only stale time data was available.)",
                  "2 (오래된 시간 데이터만 사용할 수 있어 컴퓨터가 동기화하지 못했습니다.)");
    case 3:
        return tr("3 (The computer did not resync because the required time change was too big.)",
                  "3 (필요한 시간 변경이 너무 커서 컴퓨터가 동기화하지 못했습니다.)");
    case 4:
        return tr("4 (The computer did not resync because the service was shutting down.)",
                  "4 (서비스가 종료되는 중이어서 컴퓨터가 동기화하지 못했습니다.)");
    default:
        return tr("1 (The computer did not resync because no time data was available.)",
                  "1 (사용 가능한 시간 데이터가 없어 컴퓨터가 동기화하지 못했습니다.)");
    }
}

static const char *machine_text(DWORD machine) {
    switch (machine) {
    case HOLD: return tr("1 (Hold)", "1 (보류)");
    case SYNC: return tr("2 (Sync)", "2 (동기화)");
    case SPIKE: return tr("3 (Spike)", "3 (급증)");
    default: return tr("0 (Unset)", "0 (설정되지 않음)");
    }
}

// As a server (64), and one that says it is reliable (512).
static const char *role_text(void) {
    bool reliable = (w32time_dword("Config", "AnnounceFlags", 10) & 5) == 5;
    if (!w32time_dword("TimeProviders\\NtpServer", "Enabled", 0)) return tr("0 (None)", "0 (없음)");
    return reliable ? tr("576 (Reliable Time Service)", "576 (안정적인 시간 서비스)") : tr("64 (Time Service)", "64 (시간 서비스)");
}

static void verbose_status(void) {
    char text[64];
    bool hypervisor = reg_dword(STATE_KEY, "RefId", 0) == 0x564d5450;
    int64_t last = reg_number(STATE_KEY, "LastSync", 0);
    say("\n");
    snprintf(text, sizeof text, "%.7fs", reg_number(STATE_KEY, "PhaseOffset", 0) / 1e7);
    line("Phase Offset", "단계 오프셋", text);
    line("ClockRate", "클록 속도", "0.0156250s");
    line("State Machine", "상태 시스템", machine_text(reg_dword(STATE_KEY, "Machine", 0)));
    line("Time Source Flags", "시간 원본 플래그",
         hypervisor ? tr("3 (Authenticated Hardware )", "3 (인증됨 하드웨어 )") : tr("0 (None)", "0 (없음)"));
    line("Server Role", "서버 역할", role_text());
    line("Last Sync Error", "마지막 동기화 오류", error_text(reg_dword(STATE_KEY, "LastError", 1)));
    snprintf(text, sizeof text, "%.7fs", last ? (clock_now() - last) / 1e7 : 0);
    line("Time since Last Good Sync Time", "마지막으로 동기화한 후 지난 시간", text);
}

static void peers(void) {
    char list[1024], *entries[64], *rest = NULL;
    int found = 0;
    reg_text(STATE_KEY, "Servers", list, sizeof list);
    for (char *entry = strtok_s(list, " \t", &rest); entry && found < 64; entry = strtok_s(NULL, " \t", &rest))
        entries[found++] = entry;
    say(tr("#Peers: %d\n", "#피어: %d\n"), found);
    for (int i = 0; i < found; i++) {
        say("\n");
        line("Peer", "피어", entries[i]);
        line("State", "상태", tr("Active", "활성"));
        line("Time Remaining", "남은 시간", "0.0000000s");
        line("Mode", "모드", tr("3 (Client)", "3 (클라이언트)"));
    }
}

static int query(void) {
    char source[256];
    if (!service_running()) return complain(NOT_STARTED);
    if (flag("/source")) {
        reg_text(STATE_KEY, "Source", source, sizeof source);
        say("%s\n", source);
    } else if (flag("/peers"))
        peers();
    else if (flag("/status")) {
        basic_status();
        if (flag("/verbose")) verbose_status();
    } else if (flag("/configuration"))
        configuration();
    else
        return complain(0x80070057);
    return 0;
}

// --- /stripchart

static void wall_clock(char *out, size_t size) {
    int64_t now = clock_now() / TICKS % 86400;
    snprintf(out, size, "%02d:%02d:%02d", (int)(now / 3600), (int)(now / 60 % 60), (int)(now % 60));
}

static void chart_line(const char *server, bool data_only) {
    struct sample sample;
    char clock[16];
    unsigned status = ntp_ask(server, 1000, 3, &sample);
    wall_clock(clock, sizeof clock);
    if (status) {
        say(tr("%s, error: 0x%08X\n", "%s, 오류: 0x%08X\n"), clock, status);
        return;
    }
    double offset = sample_offset(&sample) / 1e7;
    if (data_only)
        say("%s, %+011.7fs\n", clock, offset);
    else
        say("%s d:%+011.7fs o:%+011.7fs  [                  *                  ]\n", clock, sample_delay(&sample) / 1e7,
            offset);
}

static int stripchart(void) {
    const char *server = option("/computer:"), *samples = option("/samples:"), *period = option("/period:");
    char time[64];
    if (!server) return complain(0x80070057);
    int wanted = samples ? atoi(samples) : 0;
    struct sample first;
    if (ntp_ask(server, 0, 3, &first) == NTP_NO_HOST) return complain(NTP_NO_HOST);
    struct in_addr address = {.s_addr = first.address};
    say(tr("Tracking %s [%s:123].\n", "%s [%s:123] 추적하는 중\n"), server, inet_ntoa(address));
    if (samples) say(tr("Collecting %d samples.\n", "%d 샘플을 수집하는 중\n"), wanted);
    clock_text(clock_now(), time, sizeof time);
    say(tr("The current time is %s.\n", "현재 시간은 %s입니다.\n"), time);
    for (int i = 0; !samples || i < wanted; i++) {
        if (i) Sleep(1000 * (period ? atoi(period) : 2));
        chart_line(server, flag("/dataonly"));
    }
    return 0;
}

// --- /dumpreg

static void dump_value(const char *name, DWORD type, const BYTE *data) {
    char text[64];
    DWORD number;
    const char *kind = type == REG_SZ          ? "REG_SZ"
                       : type == REG_EXPAND_SZ ? "REG_EXPAND_SZ"
                       : type == REG_DWORD     ? "REG_DWORD"
                                               : "REG_BINARY";
    memcpy(&number, data, sizeof number);
    snprintf(text, sizeof text, "%lu", number);
    say("%-30s %-15s %s\n", name, kind, type == REG_DWORD ? text : type == REG_BINARY ? "" : (const char *)data);
}

static int dump_registry(void) {
    char path[256] = SERVICE_KEY;
    const char *sub = option("/subkey:");
    HKEY key;
    if (sub) snprintf(path, sizeof path, SERVICE_KEY "\\%s", sub);
    if (RegOpenKeyExA(HKEY_LOCAL_MACHINE, path, 0, KEY_READ, &key)) return complain(0x80070057);
    say("\n%-30s %-15s %s\n", tr("Value Name", "값 이름"), tr("Value Type", "값 종류"), tr("Value Data", "값 데이터"));
    say("----------------------------------------------------------------------\n");
    for (DWORD i = 0;; i++) {
        char name[256];
        BYTE data[4096] = {0};
        DWORD name_size = sizeof name, size = sizeof data - 1, type;
        if (RegEnumValueA(key, i, name, &name_size, NULL, &type, data, &size)) break;
        dump_value(name, type, data);
    }
    say("\n");
    return 0;
}

int main(void) {
    arguments = utf8_arguments(&count);
    if (flag("/config")) return configure();
    if (flag("/resync")) return resync();
    if (flag("/query")) return query();
    if (flag("/stripchart")) return stripchart();
    if (flag("/dumpreg")) return dump_registry();
    if (flag("/monitor")) return monitor(option("/computers:"));
    if (flag("/register")) return register_service();
    if (flag("/unregister")) return unregister_service();
    if (flag("/tz")) return time_zone();
    say("w32tm of the stand-in: /config /resync /query /stripchart /monitor /dumpreg /register /unregister /tz\n");
    return 1;
}
