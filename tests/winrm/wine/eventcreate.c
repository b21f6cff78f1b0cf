// eventcreate.exe: an entry of the event log, kept as a line of Y:\events.
#include "host.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool one_of(const char *word, const char *const *words) {
    for (; word && *words; words++)
        if (!_stricmp(word, *words)) return true;
    return false;
}

int main(void) {
    static const char *const types[] = {"ERROR", "WARNING", "INFORMATION", NULL};
    static const char *const logs[] = {"APPLICATION", "SYSTEM", NULL};
    static const char *const options[] = {"/t", "/id", "/l", "/so", "/d"};
    const char *given[5] = {NULL};
    int count;
    char **arguments = utf8_arguments(&count);
    for (int i = 1; i < count; i += 2) {
        int option = 0;
        while (option < 5 && _stricmp(arguments[i], options[option])) option++;
        if (option == 5 || i + 1 == count || given[option]) {
            say(tr("ERROR: Invalid syntax.\n", "오류: 잘못된 구문입니다.\n"));
            return 1;
        }
        given[option] = arguments[i + 1];
    }
    int id = given[1] ? atoi(given[1]) : 0;
    if (!one_of(given[0], types) || id < 1 || id > 1000 || !one_of(given[2], logs) || !given[3] || !given[4]) {
        say(tr("ERROR: Invalid syntax.\n", "오류: 잘못된 구문입니다.\n"));
        return 1;
    }
    FILE *file = fopen("Y:\\events", "ab");
    if (!file) return 1;
    fprintf(file, "%s %d %s %s: %s\n", given[0], id, given[2], given[3], given[4]);
    fclose(file);
    say(tr("\nSUCCESS: An event of type '%s' was created in the '%s' log with '%s' as the source.\n",
           "\n성공: '%s' 유형의 이벤트가 '%s' 로그에 '%s'을(를) 원본으로 하여 만들어졌습니다.\n"),
        given[0], given[2], given[3]);
    return 0;
}
