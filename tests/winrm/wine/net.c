// net.exe: start and stop of a service, which waits for the end of it, with the exit codes of Windows.
#include "host.h"
#include <stdio.h>
#include <string.h>

static SC_HANDLE service;
static char display[256];

static int help_message(int number, const char *text) {
    say("%s\n\n", text);
    say(tr("More help is available by typing NET HELPMSG %d.\n\n",
           "NET HELPMSG %d을(를) 입력하면 도움말을 더 볼 수 있습니다.\n\n"),
        number);
    return 2;
}

// False if the service is not in `wanted` after the time that it asked for.
static bool wait_for(DWORD wanted) {
    SERVICE_STATUS status;
    for (int i = 0; i < 250; i++) {
        if (!QueryServiceStatus(service, &status)) return false;
        if (status.dwCurrentState == wanted) return true;
        Sleep(20);
    }
    return false;
}

static int start(void) {
    char text[512];
    say(tr("The %s service is starting.\n", "%s 서비스를 시작합니다..\n"), display);
    if (!StartServiceA(service, 0, NULL)) {
        DWORD error = GetLastError();
        if (error == ERROR_SERVICE_ALREADY_RUNNING)
            return help_message(
                2182, tr("The requested service has already been started.", "요청한 서비스가 이미 시작되었습니다."));
        say(tr("System error %lu has occurred.\n\n", "시스템 오류 %lu이(가) 생겼습니다.\n\n"), error);
        return 2;
    }
    if (!wait_for(SERVICE_RUNNING)) {
        snprintf(text, sizeof text, tr("The %s service could not be started.", "%s 서비스를 시작할 수 없습니다."),
                 display);
        return help_message(3523, text);
    }
    say(tr("The %s service was started successfully.\n\n", "%s 서비스가 잘 시작되었습니다.\n\n"), display);
    return 0;
}

static int stop(void) {
    SERVICE_STATUS status;
    char text[512];
    QueryServiceStatus(service, &status);
    if (status.dwCurrentState == SERVICE_STOPPED) {
        snprintf(text, sizeof text, tr("The %s service is not started.", "%s 서비스가 시작되지 않았습니다."), display);
        return help_message(3521, text);
    }
    say(tr("The %s service is stopping.\n", "%s 서비스를 멈춥니다..\n"), display);
    if (status.dwCurrentState == SERVICE_STOP_PENDING || !ControlService(service, SERVICE_CONTROL_STOP, &status) ||
        !wait_for(SERVICE_STOPPED)) {
        snprintf(text, sizeof text, tr("The %s service could not be stopped.", "%s 서비스를 멈출 수 없습니다."),
                 display);
        return help_message(3522, text);
    }
    say(tr("The %s service was stopped successfully.\n\n", "%s 서비스를 잘 멈추었습니다.\n\n"), display);
    return 0;
}

int main(void) {
    int count;
    DWORD size = sizeof display;
    char **arguments = utf8_arguments(&count);
    if (count != 3 || (_stricmp(arguments[1], "start") && _stricmp(arguments[1], "stop"))) {
        say("net of the stand-in: NET START service, NET STOP service\n");
        return 1;
    }
    SC_HANDLE manager = OpenSCManagerA(NULL, NULL, SC_MANAGER_CONNECT);
    service = OpenServiceA(manager, arguments[2], SERVICE_START | SERVICE_STOP | SERVICE_QUERY_STATUS);
    if (!service) return help_message(2185, tr("The service name is invalid.", "서비스 이름이 잘못되었습니다."));
    GetServiceDisplayNameA(manager, arguments[2], display, &size);
    return _stricmp(arguments[1], "start") ? stop() : start();
}
