// NTP (RFC 5905): one exchange, and the forms of time on the wire.
#include "host.h"
#include <stdio.h>
#include <string.h>
#include <ws2tcpip.h>

// Seconds between 1601 and 1900.
#define ERA_SECONDS 9435484800LL
#define TICKS 10000000LL

uint32_t big_endian(const uint8_t *b) { return (uint32_t)b[0] << 24 | b[1] << 16 | b[2] << 8 | b[3]; }

void put_big_endian(uint32_t value, uint8_t *bytes) {
    for (int i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(value >> (24 - 8 * i));
}

int64_t ntp_ticks(const uint8_t *t) {
    uint64_t fraction = ((uint64_t)big_endian(t + 4) * TICKS + (1ULL << 31)) >> 32;
    return (ERA_SECONDS + big_endian(t)) * TICKS + (int64_t)fraction;
}

void ntp_timestamp(int64_t ticks, uint8_t *out) {
    put_big_endian((uint32_t)(ticks / TICKS - ERA_SECONDS), out);
    put_big_endian((uint32_t)(((uint64_t)(ticks % TICKS) << 32) / TICKS), out + 4);
}

double ntp_short(const uint8_t *field) { return big_endian(field) / 65536.0; }

void ntp_put_short(double seconds, uint8_t *field) { put_big_endian((uint32_t)(seconds * 65536.0), field); }

int64_t sample_offset(const struct sample *s) {
    return ((ntp_ticks(s->reply + 32) - s->sent) + (ntp_ticks(s->reply + 40) - s->received)) / 2;
}

int64_t sample_delay(const struct sample *s) {
    return (s->received - s->sent) - (ntp_ticks(s->reply + 40) - ntp_ticks(s->reply + 32));
}

static bool resolve(const char *server, struct sockaddr_in *out) {
    struct addrinfo wanted = {.ai_family = AF_INET, .ai_socktype = SOCK_DGRAM}, *found;
    if (getaddrinfo(server, "123", &wanted, &found)) return false;
    memcpy(out, found->ai_addr, sizeof *out);
    freeaddrinfo(found);
    return true;
}

// Waits for the answer to the request in `request`; others are passed over until the time is up.
static bool await(SOCKET socket, const uint8_t *request, DWORD timeout_ms, int64_t offset, struct sample *out) {
    DWORD start = GetTickCount();
    for (;;) {
        DWORD gone = GetTickCount() - start;
        if (gone >= timeout_ms) return false;
        DWORD left = timeout_ms - gone;
        setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, (char *)&left, sizeof left);
        int count = recv(socket, (char *)out->reply, sizeof out->reply, 0);
        out->received = clock_machine() + offset;
        if (count == sizeof out->reply && memcmp(out->reply + 24, request + 40, 8) == 0) return true;
        if (count < 0) Sleep(1); // "Port unreachable" is no answer.
    }
}

unsigned ntp_ask(const char *server, DWORD timeout_ms, int mode, struct sample *out) {
    WSADATA data;
    struct sockaddr_in to;
    uint8_t request[48] = {(uint8_t)(4 << 3 | mode)};
    WSAStartup(MAKEWORD(2, 2), &data);
    if (!resolve(server, &to)) return NTP_NO_HOST;
    out->address = to.sin_addr.s_addr;
    if (!firewall_allows(false, to.sin_addr.s_addr, 0, 123, "")) {
        Sleep(timeout_ms);
        return NTP_TIMEOUT;
    }
    SOCKET s = socket(AF_INET, SOCK_DGRAM, 0);
    connect(s, (struct sockaddr *)&to, sizeof to);
    int64_t offset = clock_offset();
    out->sent = clock_machine() + offset;
    ntp_timestamp(out->sent, request + 40);
    send(s, (char *)request, sizeof request, 0);
    bool answered = await(s, request, timeout_ms, offset, out);
    closesocket(s);
    return answered ? NTP_OK : NTP_TIMEOUT;
}
