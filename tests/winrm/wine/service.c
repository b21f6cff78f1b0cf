// The Windows Time service, asked through the service manager.
#include "host.h"

static SC_HANDLE open_service(DWORD access) {
    SC_HANDLE manager = OpenSCManagerA(NULL, NULL, SC_MANAGER_CONNECT);
    return manager ? OpenServiceA(manager, "w32time", access) : NULL;
}

bool service_running(void) {
    SERVICE_STATUS status;
    SC_HANDLE service = open_service(SERVICE_QUERY_STATUS);
    return service && QueryServiceStatus(service, &status) && status.dwCurrentState == SERVICE_RUNNING;
}

bool service_control(DWORD control) {
    SERVICE_STATUS status;
    SC_HANDLE service = open_service(SERVICE_USER_DEFINED_CONTROL);
    return service && ControlService(service, control, &status);
}
