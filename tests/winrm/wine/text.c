// Output in the language and OEM code page of the host.
#include "host.h"
#include <shellapi.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

bool korean(void) { return PRIMARYLANGID(GetUserDefaultLangID()) == LANG_KOREAN; }

const char *tr(const char *english, const char *in_korean) { return korean() ? in_korean : english; }

void say(const char *format, ...) {
    static char utf8[65536], oem[65536];
    static WCHAR wide[65536];
    va_list arguments;
    va_start(arguments, format);
    __mingw_vsnprintf(utf8, sizeof utf8, format, arguments);
    va_end(arguments);
    MultiByteToWideChar(CP_UTF8, 0, utf8, -1, wide, sizeof wide / sizeof *wide);
    WideCharToMultiByte(CP_OEMCP, 0, wide, -1, oem, sizeof oem, NULL, NULL);
    fputs(oem, stdout);
    fflush(stdout);
}

// Columns of a character of UTF-8: those of Korea and China take two.
static int columns_of(const char *at) {
    unsigned char first = (unsigned char)*at;
    return (first & 0xC0) == 0x80 ? 0 : first >= 0xE1 ? 2 : 1;
}

void say_wrapped(const char *label, const char *value) {
    char line[4096];
    DWORD columns = reg_dword(STANDIN_KEY, "Columns", 0), column = 0;
    snprintf(line, sizeof line, "%s: %s", label, value);
    for (char *at = line, *blank = NULL; columns && *at; at++) {
        column += columns_of(at);
        if (*at == ' ') blank = at;
        if (column <= columns || !blank) continue;
        *blank = '\n';
        at = blank;
        blank = NULL;
        column = 0;
    }
    say("%s\n", line);
}

static const char *error_text(unsigned code) {
    switch (code) {
    case 0x80070426: return tr("The service has not been started.", "서비스가 시작되지 않았습니다.");
    case 0x80070424:
        return tr("The specified service does not exist as an installed service.",
                  "지정된 서비스를 설치된 서비스로 찾을 수 없습니다.");
    case NTP_TIMEOUT:
        return tr("This operation returned because the timeout period expired.",
                  "시간이 초과되어 작업이 반환되었습니다.");
    case NTP_NO_HOST: return tr("No such host is known.", "알려진 호스트가 없습니다.");
    case 0x80070057: return tr("The parameter is incorrect.", "매개 변수가 틀립니다.");
    default: return "?";
    }
}

int complain(unsigned code) {
    say(tr("The following error occurred: %s (0x%08X)\n", "다음 오류가 발생했습니다. %s(0x%08X)\n"), error_text(code),
        code);
    return (int)code;
}

char **utf8_arguments(int *count) {
    WCHAR **wide = CommandLineToArgvW(GetCommandLineW(), count);
    char **arguments = calloc(*count + 1, sizeof *arguments);
    for (int i = 0; i < *count; i++) {
        int size = WideCharToMultiByte(CP_UTF8, 0, wide[i], -1, NULL, 0, NULL, NULL);
        arguments[i] = malloc(size);
        WideCharToMultiByte(CP_UTF8, 0, wide[i], -1, arguments[i], size, NULL, NULL);
    }
    return arguments;
}
