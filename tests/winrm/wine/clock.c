// The virtual clock: the machine's clock, which is never set, and an offset kept in the registry.
#include "host.h"
#include <stdio.h>

int64_t clock_offset(void) { return reg_number(STANDIN_KEY, "ClockOffset", 0); }

int64_t clock_machine(void) {
    FILETIME time;
    GetSystemTimePreciseAsFileTime(&time);
    return (int64_t)((uint64_t)time.dwHighDateTime << 32 | time.dwLowDateTime);
}

int64_t clock_now(void) { return clock_machine() + clock_offset(); }

void clock_shift(int64_t ticks) { reg_set_number(STANDIN_KEY, "ClockOffset", clock_offset() + ticks); }

void clock_text(int64_t ticks, char *out, size_t size) {
    FILETIME time = {.dwLowDateTime = (DWORD)ticks, .dwHighDateTime = (DWORD)(ticks >> 32)};
    SYSTEMTIME t;
    FileTimeToSystemTime(&time, &t);
    int hour = t.wHour % 12 ? t.wHour % 12 : 12;
    if (korean())
        snprintf(out, size, "%d-%02d-%02d %s %d:%02d:%02d", t.wYear, t.wMonth, t.wDay, t.wHour < 12 ? "오전" : "오후",
                 hour, t.wMinute, t.wSecond);
    else
        snprintf(out, size, "%d/%d/%d %d:%02d:%02d %s", t.wMonth, t.wDay, t.wYear, hour, t.wMinute, t.wSecond,
                 t.wHour < 12 ? "AM" : "PM");
}
