// schtasks.exe: /create of a definition in XML, /delete and /query of one task. What depends on the
// language or the clock of the host (/sc, /st, /sd) is refused. The server judges the definition and
// runs the task when its time has come: it reads Y:\schtasks-ID.ask and answers in .told.
#include "host.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char xml[65536];

static int refused(const char *english, const char *in_korean) {
    say("%s%s\n", tr("ERROR: ", "오류: "), tr(english, in_korean));
    return 1;
}

static bool read_file(const char *path) {
    WCHAR wide[512];
    MultiByteToWideChar(CP_UTF8, 0, path, -1, wide, 512);
    FILE *file = _wfopen(wide, L"rb");
    if (!file) return false;
    xml[fread(xml, 1, sizeof xml - 1, file)] = 0;
    fclose(file);
    return true;
}

// The first line of the answer is the exit code, the rest is said.
static int told(const char *path) {
    static char text[4096];
    for (int i = 0; i < 600; i++) {
        FILE *file = fopen(path, "rb");
        if (file) {
            text[fread(text, 1, sizeof text - 1, file)] = 0;
            fclose(file);
            DeleteFileA(path);
            char *rest = strchr(text, '\n');
            if (rest) say("%s\n", rest + 1);
            return atoi(text);
        }
        Sleep(50);
    }
    return refused("The Task Scheduler service is not available.", "작업 스케줄러 서비스를 사용할 수 없습니다.");
}

static int ask(const char *verb, const char *name, bool force) {
    char base[64], from[80], to[80];
    snprintf(base, sizeof base, "Y:\\schtasks-%lu-%llu", GetCurrentProcessId(), (unsigned long long)clock_machine());
    snprintf(from, sizeof from, "%s.new", base);
    snprintf(to, sizeof to, "%s.ask", base);
    FILE *file = fopen(from, "wb");
    if (!file) return 1;
    fprintf(file, "%s\n%s\n%s\n%s\n%s", verb, name, force ? "force" : "", korean() ? "ko" : "", xml);
    fclose(file);
    MoveFileA(from, to);
    snprintf(to, sizeof to, "%s.told", base);
    return told(to);
}

int main(void) {
    int count;
    char **arguments = utf8_arguments(&count);
    const char *verb = count > 1 ? arguments[1] : "", *name = NULL, *file = NULL;
    bool force = false;
    for (int i = 2; i < count; i++) {
        if (!_stricmp(arguments[i], "/tn") && i + 1 < count) name = arguments[++i];
        else if (!_stricmp(arguments[i], "/xml") && i + 1 < count) file = arguments[++i];
        else if (!_stricmp(arguments[i], "/f")) force = true;
        else return refused("Invalid argument/option.", "잘못된 인수 또는 옵션입니다.");
    }
    if (!name || !*name || strpbrk(name, "\\/:*?\"<>|"))
        return refused("The stand-in takes one task, by its name.", "잘못된 구문입니다.");
    if (!_stricmp(verb, "/query") && !file && !force) return ask("query", name, false);
    if (!_stricmp(verb, "/delete") && !file) return ask("delete", name, force);
    if (_stricmp(verb, "/create") || !file) return refused("Invalid syntax.", "잘못된 구문입니다.");
    if (!read_file(file))
        return refused("The system cannot find the file specified.", "지정된 파일을 찾을 수 없습니다.");
    return ask("create", name, force);
}
