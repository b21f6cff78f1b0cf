// runner.exe ID: runs the command line in Y:\ID.line (first line: folder, rest: the line as it is,
// UTF-8) in cmd.exe and writes the exit code, all 32 bits of it, to Y:\ID.code. A command line in
// Wine's own arguments would be quoted anew, and Linux cuts exit codes to 8 bits.
#include <windows.h>
#include <stdbool.h>
#include <stdio.h>

static WCHAR directory[32768], line[65536], command[65600];

static bool read_line(const char *id) {
    static char text[262144];
    char path[128];
    snprintf(path, sizeof path, "Y:\\%s.line", id);
    FILE *file = fopen(path, "rb");
    if (!file) return false;
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    DeleteFileA(path);
    char *end = strchr(text, '\n');
    if (!end) return false;
    *end = 0;
    return MultiByteToWideChar(CP_UTF8, 0, text, -1, directory, 32768) &&
           MultiByteToWideChar(CP_UTF8, 0, end + 1, -1, line, 65536);
}

static void write_code(const char *id, DWORD code) {
    char path[128];
    snprintf(path, sizeof path, "Y:\\%s.code", id);
    FILE *file = fopen(path, "wb");
    if (!file) return;
    fprintf(file, "%lu", code);
    fclose(file);
}

// If the runner is killed, so is all that it started.
static HANDLE leash(void) {
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limit = {0};
    HANDLE job = CreateJobObjectW(NULL, NULL);
    limit.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
    SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limit, sizeof limit);
    return job;
}

int main(int count, char **arguments) {
    STARTUPINFOW start = {.cb = sizeof start, .dwFlags = STARTF_USESTDHANDLES};
    PROCESS_INFORMATION process;
    DWORD code = ~0u;
    if (count != 2 || !read_line(arguments[1])) return 250;
    start.hStdInput = GetStdHandle(STD_INPUT_HANDLE);
    start.hStdOutput = GetStdHandle(STD_OUTPUT_HANDLE);
    start.hStdError = GetStdHandle(STD_ERROR_HANDLE);
    const WCHAR *folder = directory[0] ? directory : L"C:\\";
    HANDLE job = leash();
    // CreateProcess may write to the line.
    lstrcpyW(command, L"cmd.exe /C ");
    lstrcatW(command, line);
    if (!CreateProcessW(NULL, command, NULL, NULL, TRUE, CREATE_SUSPENDED, NULL, folder, &start, &process)) {
        fprintf(stderr, "CreateProcess: %lu\n", GetLastError());
        return 250;
    }
    AssignProcessToJobObject(job, process.hProcess);
    ResumeThread(process.hThread);
    WaitForSingleObject(process.hProcess, INFINITE);
    GetExitCodeProcess(process.hProcess, &code);
    write_code(arguments[1], code);
    return code != 0;
}
